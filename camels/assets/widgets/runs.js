// Runs with a tick, a colour and a sentence each.
export function render({model}) {
  const box = document.createElement("div")
  box.className = "runs"
  box.setAttribute("role", "group")
  box.setAttribute("aria-label", "runs")
  let made = "",
    parts = {}
  const make = () => {
    parts = {}
    box.replaceChildren(
      ...model.rows.map(r => {
        const row = document.createElement("div"),
          tick = document.createElement("input"),
          b = document.createElement("button"),
          line = document.createElement("i"),
          name = document.createElement("b"),
          words = document.createElement("span")
        tick.type = "checkbox"
        tick.setAttribute("aria-label", "draw " + r.name)
        b.type = "button"
        b.setAttribute("aria-label", "choose " + r.name)
        b.title = r.path
        tick.onchange = () => {
          model.ticked = tick.checked ? [...model.ticked, r.path] : model.ticked.filter(p => p !== r.path)
        }
        b.onclick = () => {
          model.chosen = r.path
          if (!model.ticked.includes(r.path)) model.ticked = [...model.ticked, r.path]
        }
        name.textContent = r.name
        line.style.borderTopColor = r.colour
        line.style.borderTopStyle = r.dash
        b.append(name, words)
        row.append(tick, line, b)
        parts[r.path] = [row, tick, words]
        return row
      }),
    )
    if (!model.rows.length) {
      const p = document.createElement("p")
      p.textContent = "No run here yet. Start one below, or name a run folder to follow."
      box.append(p)
    }
  }
  const show = () => {
    const now = JSON.stringify(model.rows.map(r => [r.path, r.name, r.colour]))
    if (now !== made) {
      made = now
      make()
    }
    for (const r of model.rows) {
      const [row, tick, words] = parts[r.path]
      tick.checked = model.ticked.includes(r.path)
      row.dataset.state = r.state
      row.setAttribute("aria-current", r.path === model.chosen)
      words.textContent = r.words
      words.className = r.failed ? "bad" : ""
    }
  }
  show()
  model.on(["rows", "ticked", "chosen"], show)
  return box
}
