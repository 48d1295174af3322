// Heads that move with one sound.
const found = el =>
  el.stage ? [el.stage] : [...(el.shadowRoot ? el.shadowRoot.children : []), ...el.children].flatMap(found)
export function render({model}) {
  const box = document.createElement("div"),
    row = document.createElement("div"),
    a = document.createElement("audio")
  box.className = "box"
  row.className = "row"
  a.controls = true
  a.preload = "auto"
  a.setAttribute("aria-label", "the sound of all three")
  let url,
    told = 0,
    shown = -1
  const fill = () => {
    row.replaceChildren(
      ...model.get_child("heads").map((h, i) => {
        const f = document.createElement("figure"),
          c = document.createElement("figcaption"),
          [title, text, colour, note] = model.labels[i] || ["", "", "", ""]
        for (const [tag, s] of [
          ["i", ""],
          ["b", title],
          ["span", note || text],
        ]) {
          const o = document.createElement(tag)
          o.textContent = o.title = s
          if (tag == "i") o.style.background = colour
          if (tag == "span" && note) o.className = "note"
          c.append(o)
        }
        f.append(c, h)
        return f
      }),
    )
  }
  const load = () => {
    if (url) URL.revokeObjectURL(url)
    if (model.sound && (model.sound.byteLength || model.sound.length)) {
      url = URL.createObjectURL(new Blob([model.sound], {type: "audio/wav"}))
      a.src = url
    }
  }
  const show = () => {
    if (a.currentTime !== shown || !a.paused) {
      shown = a.currentTime
      const all = found(row)
      all.forEach(s => s.seek(shown))
      box.dataset.heads = all.length
      box.dataset.at = shown.toFixed(3)
    }
  }
  const tell = () => {
    if (Math.abs(a.currentTime - model.time_s) > 1e-3) model.time_s = a.currentTime
  }
  const tick = now => {
    show()
    if (now - told > 66) {
      told = now
      tell()
    }
    if (!a.paused && !a.ended) requestAnimationFrame(tick)
  }
  a.onplay = () => requestAnimationFrame(tick)
  a.onpause =
    a.onended =
    a.onseeked =
      () => {
        shown = -1
        show()
        tell()
      }
  a.onloadeddata = () => {
    a.dataset.ready = "yes"
  }
  const wait = () => {
    box.classList.toggle("busy", model.busy)
    box.setAttribute("aria-busy", model.busy)
  }
  requestAnimationFrame(() => {
    const c = getComputedStyle(box).color.match(/\d+/g)
    a.style.colorScheme = c && c[0] > 128 ? "dark" : "light"
  }) // the theme's, whatever the system's is
  fill()
  load()
  wait()
  model.on(["heads", "labels"], fill)
  model.on("sound", load)
  model.on("busy", wait)
  model.on("seek", () => {
    a.currentTime = model.seek[0]
  })
  box.append(row, a)
  return box
}
