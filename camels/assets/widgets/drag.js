// Bokeh: a point goes where it is dragged or clicked, within [-1, 1].
const c = v => Math.round(Math.min(1, Math.max(-1, v)) * 100) / 100
point.data = {x: [c(cb_obj.x)], y: [c(cb_obj.y)]}
