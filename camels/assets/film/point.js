// Bokeh: the channel and the weight under the mouse, beside it.
const [x, y, d] = [cb_obj.x, cb_obj.y, source.data],
  w = d.dw[0],
  n = d.image[0].length / 52,
  k = Math.floor(y),
  i = Math.floor((x / w) * n)
tip.data =
  k < 0 || k > 51 || i < 0 || i >= n
    ? {x: [], y: [], text: [], align: []}
    : {
        x: [x],
        y: [Math.min(y + 2.5, 50)],
        text: [`${names[k]}  ${d.image[0][k * n + i].toFixed(2)}`],
        align: [x > w / 2 ? "right" : "left"],
      }
