// Bokeh: words beside what the mouse points at; Python puts the columns in.
const i = cb_data.index.indices[0],
  d = source.data,
  old = tip.data.text[0]
const now = i === undefined ? {x: [], y: [], text: [], align: []} : {/* columns */}
if (now.text[0] !== old) tip.data = now
