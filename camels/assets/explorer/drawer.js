// The drawers below: the face, the selected moments as a table, what each stage adds, the losses.
const table = (head, rows, click) => {
  const body = el("tbody"),
    fill = rs =>
      body.replaceChildren(
        ...rs.map(r => {
          const tr = el("tr", {tabIndex: click ? 0 : -1}, ...r.cells.map(v => el("td", {textContent: v})))
          if (click) {
            tr.onclick = () => click(r.row)
            tr.onkeydown = e => {
              if (e.key === "Enter") click(r.row)
            }
            tr.dataset.row = r.row
          }
          return tr
        }),
      )
  let up = 1
  fill(rows)
  const sort = i => {
    up = -up
    fill(
      [...rows].sort((a, b) => up * String(b.cells[i]).localeCompare(String(a.cells[i]), undefined, {numeric: true})),
    )
  }
  return el(
    "table",
    {className: "rows"},
    el(
      "thead",
      {},
      el("tr", {}, ...head.map((h, i) => el("th", {textContent: h, onclick: () => click && sort(i), scope: "col"}))),
    ),
    body,
  )
}
const losses = d => {
  const W = 1000,
    H = 150,
    ns = "http://www.w3.org/2000/svg",
    s = document.createElementNS(ns, "svg"),
    all = d.terms.flatMap(t => t.y.filter(v => v != null)),
    f = v => Math.asinh(v * 5),
    lo = Math.min(...all.map(f)),
    hi = Math.max(...all.map(f)),
    x1 = Math.max(...d.step, 1)
  const put = (tag, a, text) => {
    const e = document.createElementNS(ns, tag)
    for (const k in a) e.setAttribute(k, a[k])
    if (text) e.textContent = text
    s.append(e)
    return e
  }
  s.setAttribute("viewBox", `0 0 ${W} ${H + 22}`)
  s.setAttribute("role", "img")
  s.setAttribute("aria-label", "loss terms over steps")
  const X = v => 6 + ((W - 12) * v) / x1,
    Y = v => H - ((H - 14) * (f(v) - lo)) / Math.max(hi - lo, 1e-9)
  for (const [name, at] of d.stages) {
    put("line", {x1: X(at), x2: X(at), y1: 0, y2: H, stroke: "currentColor", "stroke-dasharray": "2 3", opacity: 0.6})
    put("text", {x: X(at) + 4, y: 10, "font-size": 10, fill: "currentColor"}, "stage " + name)
  }
  for (const t of d.terms)
    put("polyline", {
      points: t.y.map((v, i) => (v == null ? "" : X(d.step[i]).toFixed(1) + "," + Y(v).toFixed(1))).join(" "),
      fill: "none",
      stroke: t.colour || "currentColor",
      "stroke-width": t.name === "total" ? 2.4 : 1.3,
    })
  put("text", {x: W - 6, y: H + 15, "font-size": 11, fill: "currentColor", "text-anchor": "end"}, `step (to ${x1})`)
  put(
    "text",
    {x: 6, y: H + 15, "font-size": 11, fill: "currentColor"},
    `loss, asinh scale, ${Math.min(...all).toPrecision(2)} to ${Math.max(...all).toPrecision(3)}`,
  )
  return el(
    "div",
    {className: "losses"},
    s,
    el(
      "div",
      {className: "key"},
      ...d.terms.map(t =>
        el(
          "span",
          {},
          el("i", {style: `background:${t.colour || "currentColor"}`}),
          t.name + " " + (t.y.filter(v => v != null).pop() ?? 0).toPrecision(3),
        ),
      ),
    ),
  )
}
const drawer = page => {
  const {model} = page,
    names = ["Face", "Selected moments", "Stages", "Losses"],
    body = el("div", {className: "drawer-body"}),
    tabs = names.map((t, i) =>
      el("button", {
        type: "button",
        role: "tab",
        textContent: t,
        onclick: () => {
          at = i
          show()
        },
      }),
    ),
    face = facePanel(page)
  let at = model.meta.face ? 0 : 1
  const save = kind =>
      el("button", {
        type: "button",
        textContent: "Save " + kind,
        title: "the selected moments as a file",
        onclick: () => page.post({export: kind}),
      }),
    count = el("span", {className: "soft"})
  const show = (page.table = () => {
    tabs.forEach((b, i) => b.setAttribute("aria-selected", i === at))
    const t = model.table,
      m = model.meta
    count.textContent = t.total
      ? `${t.total.toLocaleString()} of ${page.n.toLocaleString()} moments selected` +
        (t.rows.length < t.total ? `, the first ${t.rows.length} shown` : "")
      : `${page.n.toLocaleString()} moments`
    tabs[0].hidden = !!page.large
    if (page.large && at === 0) at = 1
    box.classList.toggle("tall", at === 0)
    face.show(at === 0)
    if (at === 0) {
      if (body.firstChild !== face.el) body.replaceChildren(face.el)
    } else if (at === 1)
      body.replaceChildren(
        t.total
          ? table(t.head, t.rows, r => page.look(r, false))
          : el("div", {
              className: "empty",
              textContent: "Nothing is selected. Draw a lasso, search for a word, or click a name in the legend.",
            }),
      )
    else if (at === 2)
      body.replaceChildren(
        m.stages && m.stages.length
          ? table(
              m.stages[0],
              m.stages.slice(1).map(cells => ({cells})),
            )
          : el("div", {
              className: "empty",
              textContent: "No report here. For a run: camels eval RUN --features FEATURES",
            }),
      )
    else
      body.replaceChildren(
        m.losses && m.losses.terms
          ? losses(m.losses)
          : el("div", {className: "empty", textContent: "No training step has been logged here."}),
      )
  })
  const box = el(
    "section",
    {className: "drawer"},
    el(
      "div",
      {className: "tabs", role: "tablist"},
      ...tabs,
      count,
      save("csv"),
      save("parquet"),
      el("button", {
        type: "button",
        textContent: "Clear selection",
        onclick: () => {
          page.select([])
          page.set({query: ""})
        },
      }),
    ),
    body,
  )
  return box
}
