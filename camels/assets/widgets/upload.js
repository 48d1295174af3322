// A button that takes a file with sound, sent in pieces of two MiB.
export function render({model}) {
  const box = document.createElement("div"),
    input = document.createElement("input"),
    line = document.createElement("div"),
    PIECE = 2 ** 21
  box.className = "upload"
  input.type = "file"
  input.accept = model.accept
  input.setAttribute("aria-label", "a recording")
  line.setAttribute("role", "status")
  const say = (text, bad) => {
    line.textContent = text
    line.className = bad ? "bad" : ""
  }
  input.onchange = async () => {
    const f = input.files[0]
    if (!f) return
    if (f.size > model.most_mb * 2 ** 20) {
      input.value = ""
      model.refused = `${f.name} has ${Math.ceil(f.size / 2 ** 20)} MB; at most ${model.most_mb} here`
      return say(model.refused + ". Cut it to a minute, or save it as FLAC.", true)
    }
    model.refused = ""
    say("sending …")
    for (let at = 0; at < f.size || at === 0; at += PIECE) {
      model.send_msg({name: f.name, at, size: f.size, piece: await f.slice(at, at + PIECE).arrayBuffer()})
      say(`sending … ${Math.round(100 * Math.min(1, (at + PIECE) / (f.size || 1)))} %`)
    }
    say(`${f.name}, ${f.size < 2 ** 20 ? Math.ceil(f.size / 1024) + " KB" : (f.size / 2 ** 20).toFixed(1) + " MB"}`)
  }
  box.append(input, line)
  return box
}
