// The card beside the panes: film, words, ranks, neighbours; and the small card at the mouse.
const card = page => {
  const {model} = page,
    words = i => ({
      ...Object.fromEntries(Object.entries(page.words).map(([k, v]) => [k, v[i] || ""])),
      ...(page.extra[i] || {}),
    })
  const video = el("video", {
      controls: true,
      playsInline: true,
      preload: "auto",
      "aria-label": "the clip of this moment",
      hidden: true,
    }),
    still = el("img", {alt: "the face of this moment", hidden: true}),
    note = el("div", {className: "note", role: "status"})
  const text = el("div", {className: "words"}),
    ranks = el("table", {className: "ranks"}),
    near = el("div", {className: "near"}),
    empty = el("div", {
      className: "empty",
      textContent:
        "Click a point: its clip plays here, with its neighbours and the ranks of its partners. " +
        "Arrow keys step through moments, space plays, f finds.",
    })
  const tip = el("div", {className: "tip", hidden: true}),
    tipText = el("div"),
    tipPicture = el("img", {alt: "", hidden: true})
  tip.append(tipPicture, tipText)
  let url = "",
    want = -1,
    timer = 0
  const head = (w, i) =>
    el(
      "div",
      {},
      el("b", {textContent: [w.speaker, w.emotion].filter(Boolean).join(" · ") || w.clip || "moment " + i}),
      el("div", {className: "soft", textContent: [w.clip, w.time].filter(Boolean).join(", ")}),
      w.transcript ? el("div", {textContent: "“" + w.transcript + "”"}) : null,
    )
  page.hover = (row, m, e, pane, x, y) => {
    if (row !== page.hovered) {
      page.hovered = row
      page.panes.forEach(p => p.draw())
      clearTimeout(timer)
      tipPicture.hidden = true
      if (row >= 0) timer = setTimeout(() => page.post({hover: row}), 90)
    }
    tip.hidden = row < 0
    if (row < 0) return
    tipText.replaceChildren(
      el("span", {className: "soft", textContent: page.modalities[m].name}),
      head(words(row), row),
    )
    page.thumb()
    const b = page.root.getBoundingClientRect(),
      c = pane.canvas.getBoundingClientRect(),
      left = c.left - b.left + x,
      top = c.top - b.top + y
    tip.style.left = (left + 290 > b.width ? left - 284 : left + 16) + "px"
    tip.style.top = clamp(top + 14, 4, b.height - 130) + "px"
  }
  page.thumb = () => {
    const t = model.thumb
    if (!t || !t.url) return
    if (t.row === page.hovered) {
      tipPicture.src = t.url
      tipPicture.hidden = false
    }
    if (t.row === page.current && video.hidden) {
      still.src = t.url
      still.hidden = false
    }
  }
  page.playing = row => {
    want = row
    if (model.film_info.row === row && url) {
      video.paused ? video.play().catch(() => {}) : video.pause()
    } else {
      note.textContent = "cutting the clip …"
      page.post({play: row})
    }
  }
  page.film = () => {
    const i = model.film_info,
      b = bytes(model.film)
    if (url) URL.revokeObjectURL(url)
    url = ""
    note.textContent = i.error || ""
    video.hidden = !b.byteLength || i.row !== page.current
    if (!b.byteLength) {
      video.removeAttribute("src")
      return
    }
    url = URL.createObjectURL(new Blob([b], {type: i.mime}))
    video.src = url
    still.hidden = true
    video.dataset.row = i.row
    if (want === i.row)
      video.play().catch(() => {
        note.textContent = "press space to play"
      })
  }
  page.detail = () => {
    const i = page.current,
      d = model.detail
    empty.hidden = i >= 0
    text.replaceChildren()
    ranks.replaceChildren()
    near.replaceChildren()
    if (i < 0) {
      video.hidden = still.hidden = true
      note.textContent = ""
      return
    }
    if (model.film_info.row !== i) {
      video.pause()
      video.hidden = true
      still.hidden = true
      note.textContent = ""
    }
    page.thumb()
    text.append(head(words(i), i))
    if (d.row !== i) return
    if (d.note) near.append(el("div", {className: "soft", textContent: d.note}))
    if (d.ranks && d.ranks.length)
      ranks.append(
        el("caption", {textContent: "rank of the true partner"}),
        ...d.ranks.map(r =>
          el(
            "tr",
            {},
            el("td", {textContent: r.from + " → " + r.to}),
            el("td", {className: r.rank === 1 ? "best" : "", textContent: r.rank}),
            el("td", {className: "soft", textContent: "of " + r.of.toLocaleString()}),
          ),
        ),
      )
    for (const b of d.near || [])
      if (b.items.length)
        near.append(
          el(
            "details",
            {open: b === d.near[0]},
            el("summary", {textContent: b.from === b.to ? "nearest " + b.from : b.from + " → nearest " + b.to}),
            ...b.items.map(o => {
              const w = words(o.row)
              return el(
                "button",
                {type: "button", className: o.row === i ? "true" : "", onclick: () => page.look(o.row, false)},
                el("b", {textContent: o.cos.toFixed(2)}),
                " " + (o.text || [w.clip, w.time].filter(Boolean).join(" ")) + (o.row === i ? " (true partner)" : ""),
              )
            }),
          ),
        )
  }
  page.tip = tip
  page.video = video
  return el("aside", {className: "card"}, empty, video, still, note, text, ranks, near)
}
