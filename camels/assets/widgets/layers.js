// Small faces in a column, one of them chosen.
export function render({model}) {
  const box = document.createElement("div")
  box.className = "layers"
  const parts = model.labels.map(l => {
    const b = document.createElement("button"),
      img = document.createElement("img"),
      t = document.createElement("span")
    b.type = "button"
    b.setAttribute("aria-label", "show " + l)
    img.alt = ""
    t.textContent = l
    b.onclick = () => {
      model.chosen = l
    }
    b.append(img, t)
    box.append(b)
    return [b, img, l]
  })
  const set = () =>
    parts.forEach(([b, img, l], i) => {
      img.src = model.srcs[i] || ""
      b.setAttribute("aria-pressed", l === model.chosen)
    })
  set()
  model.on(["srcs", "chosen"], set)
  return box
}
