// Drawing of a pane: lines that join a moment's points, unselected points, selected ones, the moment looked at.
Pane.prototype.draw = function () {
  const {g, page} = this,
    d = devicePixelRatio,
    xy = this.shown(),
    n = page.n,
    M = page.modalities.length,
    dark = page.dark
  if (!this.w) return
  g.setTransform(d, 0, 0, d, 0, 0)
  g.clearRect(0, 0, this.w, this.h)
  g.font = "12px system-ui, sans-serif"
  const sel = page.selected,
    some = sel.size > 0,
    ink = dark ? "#f2f2f2" : "#1c1c1c"
  for (const c of this.cells()) {
    const v = this.view(c),
      X = i => c.x + (xy[2 * i] - v.x0) * v.s,
      Y = i => c.y + (v.y1 - xy[2 * i + 1]) * v.s,
      here = i => c.k < 0 || page.facet[i] === c.k
    g.save()
    g.beginPath()
    g.rect(c.x, c.y, c.w, c.h)
    g.clip()
    if (page.facets.length) {
      g.strokeStyle = dark ? "#444" : "#ddd"
      g.strokeRect(c.x + 0.5, c.y + 0.5, c.w - 1, c.h - 1)
    }
    if (this.image) {
      const [a, b, e, f] = this.image.box,
        k = (u, w) => [c.x + (u - v.x0) * v.s, c.y + (v.y1 - w) * v.s],
        p = k(a, f),
        q = k(b, e)
      g.imageSmoothingEnabled = false
      g.drawImage(this.image.picture, p[0], p[1], q[0] - p[0], q[1] - p[1])
    }
    if (page.axis)
      for (const [t, name] of [
        [0, "A"],
        [1, "B"],
      ]) {
        const x = c.x + (t - v.x0) * v.s
        g.strokeStyle = g.fillStyle = page.accent
        g.setLineDash([3, 4])
        g.beginPath()
        g.moveTo(x, c.y + 24)
        g.lineTo(x, c.y + c.h)
        g.stroke()
        g.setLineDash([])
        g.fillText(name, x + 4, c.y + 34)
      }
    if (page.axis && page.alpha != null) {
      const x = c.x + (page.alpha - v.x0) * v.s
      g.fillStyle = page.accent
      g.fillRect(x - 1, c.y + 40, 2, c.h - 40)
      g.beginPath()
      g.arc(x, c.y + 44, 5, 0, 7)
      g.fill()
    }
    const join = (row, alpha, width) => {
      g.globalAlpha = alpha
      g.lineWidth = width
      g.strokeStyle = ink
      g.beginPath()
      let on = false,
        first = -1
      for (let m = 0; m < M; m++) {
        const i = m * n + row
        if (xy[2 * i] !== xy[2 * i] || !here(i)) continue
        on ? g.lineTo(X(i), Y(i)) : g.moveTo(X(i), Y(i))
        if (first < 0) first = i
        on = true
      }
      if (first >= 0 && M > 2) g.lineTo(X(first), Y(first))
      g.stroke()
    }
    if (page.lines === "all") for (let r = 0; r < n; r++) join(r, some && !sel.has(r) ? 0.04 : 0.14, 0.7)
    else if (page.lines === "selection") for (const r of sel) join(r, 0.35, 0.8)
    const stamp = (i, r, ring) => {
      const x = X(i),
        y = Y(i)
      if (x < c.x - 9 || y < c.y - 9 || x > c.x + c.w + 9 || y > c.y + c.h + 9) return
      const s = sprite(page.modalities[Math.floor(i / n)].marker, page.colours[page.group[i]] || "#888888", r, ring)
      g.drawImage(s, x - s.half, y - s.half, s.side, s.side)
    }
    const r = n * M > 8000 ? 2.5 : n * M > 1200 || page.facets.length ? 3.1 : 4.2
    g.globalAlpha = some ? 0.1 : 0.78
    if (!page.large)
      for (let j = 0; j < n; j++) {
        if (some && sel.has(j)) continue
        for (let m = 0; m < M; m++) {
          const i = ((m + j) % M) * n + j
          if (xy[2 * i] === xy[2 * i] && here(i)) stamp(i, r)
        }
      } // no modality lies on top of the others
    g.globalAlpha = 0.95
    if (!page.large)
      for (const q of sel)
        for (let m = 0; m < M; m++) {
          const i = m * n + q
          if (xy[2 * i] === xy[2 * i] && here(i)) stamp(i, r + 0.3)
        }
    for (const [q, a] of [
      [page.hovered, 0.9],
      [page.current, 1],
    ])
      if (q >= 0 && !page.large) {
        if (page.lines !== "none") join(q, 0.8 * a, 1.6)
        g.globalAlpha = 1
        for (let m = 0; m < M; m++) {
          const i = m * n + q
          if (xy[2 * i] === xy[2 * i] && here(i)) stamp(i, q === page.current ? 7 : 5.5, ink)
        }
      }
    g.globalAlpha = 1
    for (const [x, y] of this.marks || []) {
      g.beginPath()
      g.arc(c.x + (x - v.x0) * v.s, c.y + (v.y1 - y) * v.s, 6, 0, 7)
      g.strokeStyle = ink
      g.lineWidth = 2
      g.stroke()
    }
    if (c.name) {
      g.fillStyle = ink
      g.fillText(c.name, c.x + 8, c.y + (c.y ? 16 : 34))
    }
    g.restore()
  }
  const p = this.path
  if (p && p.length > 1) {
    g.beginPath()
    p.forEach(([x, y], i) => (i ? g.lineTo(x, y) : g.moveTo(x, y)))
    g.closePath()
    g.fillStyle = page.accent + "22"
    g.fill()
    g.strokeStyle = page.accent
    g.lineWidth = 1.5
    g.stroke()
  }
}
