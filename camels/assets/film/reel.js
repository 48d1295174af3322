// Snapshots in their order: a slider that follows the newest until a hand moves it, and a button that plays.
export function render({model}) {
  const box = document.createElement("div"),
    play = document.createElement("button"),
    range = document.createElement("input"),
    live = document.createElement("button"),
    out = document.createElement("output")
  box.className = "reel"
  range.type = "range"
  range.min = 0
  range.setAttribute("aria-label", "snapshot")
  play.type = live.type = "button"
  live.textContent = "newest"
  let timer = 0
  const stop = () => {
      clearInterval(timer)
      timer = 0
      show()
    },
    go = i => {
      model.at = i >= model.n - 1 ? -1 : Math.max(0, i)
    }
  const step = () => {
    const i = +range.value + 1
    if (i >= model.n) return stop()
    range.value = i
    go(i)
  }
  const toggle = () => {
    if (timer) return stop()
    if (+range.value >= model.n - 1) {
      range.value = 0
      go(0)
    }
    timer = setInterval(step, 250)
    show()
  }
  const show = () => {
    range.max = Math.max(0, model.n - 1)
    range.value = model.at < 0 ? model.n - 1 : model.at
    range.disabled = play.disabled = model.n < 2
    play.textContent = timer ? "❚❚" : "▶"
    play.setAttribute("aria-label", timer ? "hold the film" : "play the film")
    live.setAttribute("aria-pressed", model.at < 0)
    out.textContent = model.label
  }
  range.oninput = () => {
    clearInterval(timer)
    timer = 0
    go(+range.value)
  }
  play.onclick = toggle
  live.onclick = () => {
    stop()
    model.at = -1
  }
  box.onkeydown = e => {
    if (e.key === " " && e.target === range) {
      e.preventDefault()
      toggle()
    }
  }
  show()
  model.on(["n", "at", "label"], show)
  model.on("remove", () => clearInterval(timer))
  box.append(play, range, live, out)
  return box
}
