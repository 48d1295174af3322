// The hand: drag is a lasso, a box or a pan; the wheel zooms; a click looks and plays; a double click goes home.
const hand = pane => {
  const {canvas, page} = pane
  let down = null
  const at = e => {
    const b = canvas.getBoundingClientRect()
    return [e.clientX - b.left, e.clientY - b.top]
  }
  const handle = (px, py) => {
    const c = pane.cell(px, py),
      v = pane.view(c)
    return page.axis && page.alpha != null && Math.abs(c.x + (page.alpha - v.x0) * v.s - px) < 8
  }
  const nearest = (px, py, reach = 12) => {
    const xy = pane.shown(),
      n = page.n,
      c = pane.cell(px, py),
      v = pane.view(c)
    let best = reach * reach,
      who = -1
    if (page.large) return -1
    for (let i = 0; i < xy.length / 2; i++) {
      const dx = c.x + (xy[2 * i] - v.x0) * v.s - px,
        dy = c.y + (v.y1 - xy[2 * i + 1]) * v.s - py,
        d = dx * dx + dy * dy
      if (d < best && (c.k < 0 || page.facet[i] === c.k)) {
        best = d
        who = i
      }
    }
    return who
  }
  const inside = (poly, x, y) => {
    let o = false
    for (let i = 0, j = poly.length - 1; i < poly.length; j = i++) {
      const [a, b] = poly[i],
        [c, d] = poly[j]
      if (b > y !== d > y && x < ((c - a) * (y - b)) / (d - b) + a) o = !o
    }
    return o
  }
  const choose = grow => {
    const c = pane.cell(...pane.path[0])
    if (page.large) return page.post({lasso: {side: pane.side, polygon: pane.path.map(p => pane.place(...p, c)), grow}})
    const v = pane.view(c),
      xy = pane.xy,
      n = page.n,
      out = new Set(grow ? page.selected : [])
    for (let i = 0; i < xy.length / 2; i++)
      if (
        xy[2 * i] === xy[2 * i] &&
        (c.k < 0 || page.facet[i] === c.k) &&
        inside(pane.path, c.x + (xy[2 * i] - v.x0) * v.s, c.y + (v.y1 - xy[2 * i + 1]) * v.s)
      )
        out.add(i % n)
    page.select([...out])
  }
  canvas.onpointerdown = e => {
    canvas.setPointerCapture(e.pointerId)
    const [x, y] = at(e)
    down = {
      x,
      y,
      box: pane.box || pane.home,
      c: pane.cell(x, y),
      moved: false,
      slide: handle(x, y),
      tool: e.button === 1 ? "pan" : page.tool,
    }
    page.root.focus({preventScroll: true})
  }
  canvas.onpointermove = e => {
    const [x, y] = at(e)
    if (!down) {
      const i = nearest(x, y)
      canvas.style.cursor = handle(x, y) ? "ew-resize" : i >= 0 ? "pointer" : page.tool === "pan" ? "grab" : "crosshair"
      return page.hover(i < 0 ? -1 : i % page.n, i < 0 ? -1 : Math.floor(i / page.n), e, pane, x, y)
    }
    if (down.slide) return page.slide(pane.place(x, y, down.c)[0])
    if (!down.moved && Math.hypot(x - down.x, y - down.y) < 4) return
    down.moved = true
    page.hover(-1)
    if (down.tool === "pan") {
      const v = pane.view(down.c),
        dx = (x - down.x) / v.s,
        dy = (y - down.y) / v.s,
        b = down.box
      pane.box = [b[0] - dx, b[1] - dx, b[2] + dy, b[3] + dy]
      pane.ask()
    } else if (down.tool === "box")
      pane.path = [
        [down.x, down.y],
        [x, down.y],
        [x, y],
        [down.x, y],
      ]
    else (pane.path = pane.path || [[down.x, down.y]]).push([x, y])
    pane.draw()
  }
  canvas.onpointerup = e => {
    const d = down,
      [x, y] = at(e)
    down = null
    if (!d) return
    if (d.slide) return page.slide(pane.place(x, y, d.c)[0], true)
    if (d.moved) {
      if (pane.path && pane.path.length > 2) choose(e.shiftKey)
      pane.path = null
      return pane.draw()
    }
    if (page.large) {
      const v = pane.view(d.c),
        [a, b] = pane.place(x, y)
      return page.post({pick: {side: pane.side, x: a, y: b, radius: 10 / v.s, play: true}})
    }
    const i = nearest(x, y)
    if (i >= 0) {
      if (e.shiftKey) page.select([...page.selected, i % page.n])
      page.look(i % page.n, true)
    }
  }
  canvas.onpointercancel = () => {
    down = null
    pane.path = null
    pane.draw()
  }
  canvas.onpointerleave = () => {
    if (!down) page.hover(-1)
  }
  canvas.ondblclick = () => {
    pane.box = null
    pane.draw()
    pane.ask()
  }
  canvas.addEventListener(
    "wheel",
    e => {
      e.preventDefault()
      const [x, y] = at(e),
        [a, b] = pane.place(x, y),
        k = Math.exp(clamp(e.deltaY, -120, 120) * 0.0022),
        o = pane.box || pane.home
      pane.box = [a + (o[0] - a) * k, a + (o[1] - a) * k, b + (o[2] - b) * k, b + (o[3] - b) * k]
      pane.draw()
      pane.ask()
    },
    {passive: false},
  )
}
