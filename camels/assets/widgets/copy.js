// A face as Python and as JSON, with a button each that copies it.
export function render({model}) {
  const box = document.createElement("div")
  box.className = "take"
  const part = (key, title) => {
    const head = document.createElement("div"),
      t = document.createElement("b"),
      b = document.createElement("button"),
      pre = document.createElement("pre")
    head.className = "head"
    t.textContent = title
    b.type = "button"
    b.textContent = b.ariaLabel = "Copy " + title
    pre.className = key
    pre.tabIndex = 0
    const set = () => {
      pre.textContent = model[key]
    }
    const say = text => {
      b.textContent = text
      setTimeout(() => {
        b.textContent = "Copy " + title
      }, 1200)
    }
    const pick = () => {
      const r = document.createRange()
      r.selectNodeContents(pre)
      const s = getSelection()
      s.removeAllRanges()
      s.addRange(r)
      say("Selected")
    }
    b.onclick = () =>
      navigator.clipboard ? navigator.clipboard.writeText(model[key]).then(() => say("Copied"), pick) : pick()
    set()
    model.on(key, set)
    head.append(t, b)
    box.append(head, pre)
  }
  part("python", "Python")
  part("json", "JSON")
  return box
}
