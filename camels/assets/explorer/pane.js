// A pane: places become pixels, with equal scales on both axes. A new frame of the film is travelled to in .2 s.
class Pane {
  constructor(page, side) {
    Object.assign(this, {
      page,
      side,
      xy: new Float32Array(0),
      was: null,
      t: 1,
      box: null,
      home: [-1, 1, -1, 1],
      image: null,
    })
    this.canvas = el("canvas", {className: "map", "aria-label": side + " map", role: "img"})
    this.g = this.canvas.getContext("2d")
    this.say = el("div", {className: "say", role: "status"})
    this.title = el("div", {className: "title"})
    this.run = select((side === "left" ? "Left" : "Right") + ": run", v => page.set({[side + "_run"]: v}))
    this.stage = select((side === "left" ? "Left" : "Right") + ": stage", v => page.set({[side]: v}))
    this.scrub = el("input", {
      type: "range",
      min: 0,
      step: 1,
      "aria-label": (side === "left" ? "Left" : "Right") + ": scrub through training",
      oninput: () => page.set({[side]: this.names[this.scrub.value]}),
    })
    this.play = el("button", {
      type: "button",
      textContent: "▶",
      title: "play the training as a film",
      "aria-label": (side === "left" ? "Left" : "Right") + ": play the training",
      onclick: () => this.film(),
    })
    this.el = el(
      "div",
      {className: "pane " + side},
      el("div", {className: "bar"}, this.run, this.stage, this.scrub, this.play),
      el("div", {className: "stage"}, this.canvas, this.title, this.say),
    )
    new ResizeObserver(() => this.size()).observe(this.canvas.parentNode)
    hand(this)
  }
  size() {
    const b = this.canvas.parentNode.getBoundingClientRect(),
      d = devicePixelRatio
    if (b.width < 2) return
    this.w = b.width
    this.h = b.height
    this.canvas.width = b.width * d
    this.canvas.height = b.height * d
    this.draw()
    this.ask()
  }
  frame(xy, home) {
    const same =
      this.xy.length === xy.length && this.xy.length && !matchMedia("(prefers-reduced-motion: reduce)").matches
    this.was = same ? this.shown() : null
    this.xy = xy
    this.t = same ? 0 : 1
    this.began = performance.now()
    if (JSON.stringify(home) !== JSON.stringify(this.home)) {
      this.home = home
      this.box = null
    }
    const step = now => {
      this.t = clamp((now - this.began) / 200, 0, 1)
      this.draw()
      if (this.t < 1) requestAnimationFrame(step)
    }
    step(performance.now())
  }
  shown() {
    if (this.t >= 1 || !this.was) return this.xy
    const o = new Float32Array(this.xy.length),
      k = this.t * this.t * (3 - 2 * this.t)
    for (let i = 0; i < o.length; i++) {
      const a = this.was[i],
        b = this.xy[i]
      o[i] = a === a ? a + k * (b - a) : b
    }
    return o
  }
  cells() {
    const f = this.page.facets,
      n = Math.max(1, f.length),
      nx = clamp(Math.round(Math.sqrt((n * this.w) / this.h)), 1, n) || 1,
      ny = Math.ceil(n / nx),
      w = this.w / nx,
      h = this.h / ny
    return Array.from({length: n}, (_, k) => ({
      k: f.length ? k : -1,
      name: f[k] || "",
      x: (k % nx) * w,
      y: Math.floor(k / nx) * h,
      w,
      h,
    }))
  }
  view(c) {
    // the box in view, widened to the cell's shape, and pixels a unit
    const [x0, x1, y0, y1] = this.box || this.home,
      s = Math.min(c.w / (x1 - x0), c.h / (y1 - y0)),
      cx = (x0 + x1) / 2,
      cy = (y0 + y1) / 2
    return {s, x0: cx - c.w / 2 / s, y1: cy + c.h / 2 / s, x1: cx + c.w / 2 / s, y0: cy - c.h / 2 / s}
  }
  cell(px, py) {
    return this.cells().find(c => px >= c.x && px < c.x + c.w && py >= c.y && py < c.y + c.h) || this.cells()[0]
  }
  place(px, py, c = this.cell(px, py)) {
    const v = this.view(c)
    return [v.x0 + (px - c.x) / v.s, v.y1 - (py - c.y) / v.s]
  }
  film() {
    if (this.timer) {
      clearInterval(this.timer)
      this.timer = null
      this.play.textContent = "▶"
      return
    }
    const names = this.page.frames(this.side)
    let i = names.indexOf(this.stage.value)
    if (i < 0 || i >= names.length - 1) i = -1
    this.play.textContent = "❚❚"
    this.timer = setInterval(() => {
      if (this.waiting || this.t < 1) return
      if (++i >= names.length || !this.canvas.isConnected) return this.film()
      this.waiting = true
      this.page.set({[this.side]: names[i]})
    }, 120)
  }
  ask() {
    if (!this.page.large || !this.w) return
    if (this.asking && performance.now() - this.asking < 3000) {
      this.again = true
      return
    }
    this.asking = performance.now()
    this.page.post({
      frame: {
        side: this.side,
        w: Math.round(this.w),
        h: Math.round(this.h),
        box: (v => [v.x0, v.x1, v.y0, v.y1])(this.view(this.cells()[0])),
      },
    })
  }
}
