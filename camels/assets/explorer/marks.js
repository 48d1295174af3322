// Tools of the page: making elements, reading numbers from bytes, markers drawn once and stamped afterwards.
const el = (tag, props = {}, ...kids) => {
  const e = document.createElement(tag)
  for (const [k, v] of Object.entries(props))
    k in e && !["list", "form"].includes(k) ? (e[k] = v) : e.setAttribute(k, v)
  e.append(...kids.filter(k => k != null))
  return e
}
const bytes = b =>
  !b
    ? new ArrayBuffer(0)
    : b instanceof ArrayBuffer
      ? b
      : ArrayBuffer.isView(b)
        ? b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength)
        : new ArrayBuffer(0)
const floats = b => new Float32Array(bytes(b))
const clamp = (v, a, b) => Math.min(b, Math.max(a, v))
const SHAPES = {
  circle: (c, r) => c.arc(0, 0, r, 0, 7),
  square: (c, r) => c.rect(-0.88 * r, -0.88 * r, 1.76 * r, 1.76 * r),
  triangle: (c, r) => {
    c.moveTo(0, -1.15 * r)
    c.lineTo(1.05 * r, 0.8 * r)
    c.lineTo(-1.05 * r, 0.8 * r)
    c.closePath()
  },
  diamond: (c, r) => {
    c.moveTo(0, -1.25 * r)
    c.lineTo(1.1 * r, 0)
    c.lineTo(0, 1.25 * r)
    c.lineTo(-1.1 * r, 0)
    c.closePath()
  },
  star: (c, r) => {
    for (let i = 0; i < 10; i++) {
      const a = (Math.PI * i) / 5,
        s = i % 2 ? 0.5 * r : 1.3 * r
      c.lineTo(s * Math.sin(a), -s * Math.cos(a))
    }
    c.closePath()
  },
  hex: (c, r) => {
    for (let i = 0; i < 6; i++) c.lineTo(1.1 * r * Math.sin((Math.PI * i) / 3), -1.1 * r * Math.cos((Math.PI * i) / 3))
    c.closePath()
  },
}
const sprites = new Map()
const sprite = (shape, colour, r, ring) => {
  // drawn once, stamped for every point
  const key = [shape, colour, r, ring, devicePixelRatio].join()
  if (!sprites.has(key)) {
    const d = devicePixelRatio,
      s = 2 * Math.ceil(1.5 * r + 3),
      c = el("canvas", {width: s * d, height: s * d}),
      g = c.getContext("2d")
    g.scale(d, d)
    g.translate(s / 2, s / 2)
    g.beginPath()
    SHAPES[shape](g, r)
    g.fillStyle = colour
    g.fill()
    if (ring) {
      g.strokeStyle = ring
      g.lineWidth = 2
      g.stroke()
    }
    sprites.set(key, Object.assign(c, {half: s / 2, side: s}))
  }
  return sprites.get(key)
}
const glyph = (shape, colour) => {
  const s = sprite(shape, colour, 5),
    i = el("canvas", {width: s.width, height: s.height, className: "glyph"})
  i.getContext("2d").drawImage(s, 0, 0)
  return i
}
const field = (label, control) => el("label", {className: "field"}, el("span", {textContent: label}), control)
const select = (label, set) => {
  const s = el("select", {"aria-label": label, onchange: () => set(s.value)})
  return s
}
const options = (s, list, value) => {
  if (s.dataset.list !== JSON.stringify(list)) {
    s.dataset.list = JSON.stringify(list)
    s.replaceChildren(...list.map(o => el("option", {value: o, textContent: o || "…"})))
  }
  s.value = value
}
