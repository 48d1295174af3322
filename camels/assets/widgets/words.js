// Text that changes, as HTML.
export function render({model}) {
  const box = document.createElement("div"),
    set = () => {
      box.innerHTML = model.html
    }
  set()
  model.on("html", set)
  return box
}
