// A film with sound that tells its playhead.
export function render({model}) {
  const v = document.createElement("video")
  v.controls = true
  v.playsInline = true
  v.preload = "auto"
  v.setAttribute("aria-label", "the performance")
  let url,
    told = 0
  const load = () => {
    if (url) URL.revokeObjectURL(url)
    if (model.film && (model.film.byteLength || model.film.length)) {
      url = URL.createObjectURL(new Blob([model.film], {type: "video/mp4"}))
      v.src = url
    }
  }
  const tell = () => {
    if (Math.abs(v.currentTime - model.time_s) > 1e-3) model.time_s = v.currentTime
  }
  const tick = now => {
    if (now - told > 66) {
      told = now
      tell()
    }
    if (!v.paused && !v.ended) requestAnimationFrame(tick)
  }
  v.onplay = () => requestAnimationFrame(tick)
  v.onpause = v.onseeked = v.onended = tell
  v.onloadeddata = () => {
    v.dataset.ready = "yes"
  }
  load()
  model.on("film", load)
  model.on("seek", () => {
    v.currentTime = model.seek[0]
  })
  return v
}
