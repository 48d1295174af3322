// A face as a picture that is exchanged in place.
export function render({model}) {
  const img = document.createElement("img"),
    set = () => {
      img.src = model.src
      img.alt = model.alt
    }
  img.className = "face"
  img.draggable = false
  set()
  model.on(["src", "alt"], set)
  return img
}
