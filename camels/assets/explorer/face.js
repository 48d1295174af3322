// The face's drawer. One question is under way at a time and the newest waits, so pictures follow the hand.
const facePanel = page => {
  const {model} = page,
    want = {of: "moment", from: "video", t: 1, alpha: 0.5}
  let sent = 0,
    again = false,
    open = false
  const ask = change => {
    Object.assign(want, change)
    marks()
    if (!open) return
    if (sent && performance.now() - sent < 5000) {
      again = true
      return
    }
    sent = performance.now()
    page.post({face: want})
    setTimeout(() => {
      if (sent) note.textContent = "decoding …"
    }, 400)
  }
  const range = (label, min, max, key) => {
    const i = el("input", {
      type: "range",
      min,
      max,
      step: "any",
      value: want[key],
      "aria-label": label,
      oninput: () => ask({[key]: +i.value, quick: true}),
      onchange: () => ask({[key]: +i.value, quick: false}),
    })
    return i
  }
  const of = select("What is decoded", v => ask({of: v})),
    from = select("Through", v => ask({from: v})),
    t = range("Time in the window", 0, 1.98, "t"),
    alpha = range("Along the axis from A to B", -0.25, 1.25, "alpha"),
    at = el("span", {className: "num"}),
    when = el("span", {className: "num"})
  const ends = ["a", "b"].map(k =>
      el("button", {
        type: "button",
        onclick: () => {
          page.post({axis: k})
          ask({of: "line"})
        },
      }),
    ),
    line = el("label", {className: "line"}, el("span", {textContent: "A"}), alpha, el("span", {textContent: "B"}), at)
  const pictures = el("div", {className: "pictures"}),
    errors = el("div", {className: "errors"}),
    voice = el("div", {className: "voice", tabIndex: 0, "aria-label": "prosody"}),
    note = el("div", {className: "note", role: "status"})
  const box = el(
    "div",
    {className: "face"},
    el(
      "div",
      {className: "asks"},
      of,
      from,
      ...ends,
      line,
      el("label", {className: "line"}, el("span", {textContent: "frame at"}), t, when),
      note,
    ),
    el("div", {className: "shown"}, pictures, errors, voice),
  )
  const recall = w => {
    const [of, from, seconds, place] = w.split(",")
    Object.assign(want, {of, from, t: +seconds, alpha: +place})
    t.value = want.t
    alpha.value = want.alpha
  }
  if (model.face.want) recall(model.face.want)
  const fill = (s, list, value) => {
    const key = JSON.stringify(list)
    if (s.dataset.list !== key) {
      s.dataset.list = key
      s.replaceChildren(...list.map(([v, text]) => el("option", {value: v, textContent: text})))
    }
    s.value = value
  }
  page.slide = (v, done) => {
    alpha.value = v
    ask({alpha: clamp(v, -0.25, 1.25), quick: !done})
    page.panes.forEach(p => p.draw())
  }
  const marks = () => {
    const n = page.selected.size,
      f = model.face,
      what = n ? "selection" : "this"
    fill(
      of,
      [
        ["moment", "this moment"],
        ["mean", `mean of ${n} selected`],
        ["line", "between A and B"],
      ],
      want.of,
    )
    fill(
      from,
      (f.sources || ["video"]).map(m => [m, m === "video" ? "own adapter" : "flow from " + m]),
      want.from,
    )
    ends.forEach((b, i) => {
      const k = "AB"[i],
        c = (f.ends || [0, 0])[i]
      b.textContent = `${k} = ${what}`
      b.title = c ? `${c} moment${c > 1 ? "s" : ""} now; press to take ${n ? what : "this moment"}` : "not marked yet"
    })
    line.hidden = want.of !== "line"
    at.textContent = want.alpha.toFixed(2)
    when.textContent = want.t.toFixed(2) + " s"
    page.alpha = open && want.of === "line" ? want.alpha : null
  }
  const number = v =>
    v == null ? "–" : Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 1 ? v.toFixed(1) : v.toPrecision(2)
  const grid = (head, rows, cls) =>
    el(
      "table",
      {className: cls},
      el("thead", {}, el("tr", {}, ...head.map(h => el("th", {textContent: h, scope: "col"})))),
      el(
        "tbody",
        {},
        ...rows.map(r => el("tr", {title: r.title || ""}, ...r.cells.map(c => el("td", {textContent: c})))),
      ),
    )
  const phone = x =>
    el("span", {
      textContent: x.label,
      title: `${x.start_s.toFixed(2)}–${x.end_s.toFixed(2)} s, probability ${x.p.toFixed(2)}`,
      style: `opacity:${(0.4 + 0.6 * x.p).toFixed(2)}`,
    })
  page.face = () => {
    const f = model.face
    if (f.want) {
      recall(f.want)
      return ask({quick: false})
    }
    sent = 0
    if (f.from) want.from = f.from
    note.textContent = f.trouble || ""
    marks()
    if (page.axis) page.panes.forEach(p => p.draw())
    box.dataset.of = f.of || ""
    box.dataset.n = (+box.dataset.n || 0) + 1
    if (f.empty || f.trouble) {
      pictures.replaceChildren(el("div", {className: "empty", textContent: f.empty || f.hint || ""}))
      errors.replaceChildren()
      voice.replaceChildren()
    } else if (f.of) {
      shown(f)
    }
    if (again) {
      again = false
      ask({})
    }
  }
  const shown = f => {
    pictures.replaceChildren(
      ...(f.pictures || []).map(p =>
        el(
          "figure",
          {},
          p.url ? el("img", {src: p.url, alt: p.caption}) : el("div", {className: "empty", textContent: p.say}),
          el("figcaption", {textContent: p.caption}),
        ),
      ),
      ...(f.no_face ? [el("div", {className: "empty", textContent: "No face: " + f.no_face})] : []),
    )
    const tell = []
    if (f.errors)
      tell.push(
        grid(
          ["off by", "this", "mean", "other"],
          f.errors.map(r => ({
            title: r.part + ", root mean square over the window, " + r.unit,
            cells: [
              r.part + (r.unit === "°" ? ", °" : ", %"),
              ...["error", "mean", "other"].map(k => r[k].toFixed(2)),
            ],
          })),
          "err",
        ),
        el("div", {
          className: "soft",
          title: "% of the distance between the outer eye corners, root mean square over the window",
          textContent: "% of the eye distance; mean: of the mean face, other: of another moment's",
        }),
      )
    if (f.no_errors) tell.push(el("div", {className: "soft", textContent: f.no_errors}))
    if (f.quick) tell.push(...errors.querySelectorAll(".phones, .silent"))
    if (f.of === "mean" || (f.of === "line" && (f.ends || []).some(n => n > 1)))
      tell.push(
        el("div", {
          className: "soft",
          textContent:
            "Only a latent's direction counts, so a mean of many moments decodes to a face as strong as one moment's.",
        }),
      )
    for (const p of f.phones || [])
      tell.push(
        el(
          "div",
          {className: "phones"},
          el("span", {
            className: "soft",
            textContent:
              "phones, " +
              p.how +
              (p.right == null ? "" : ` (${Math.round(100 * p.right)} % of the time right)`) +
              ": ",
          }),
          ...p.read.map(phone),
          p.read.length ? null : el("span", {className: "soft", textContent: "silence"}),
        ),
      )
    if (f.silent != null && (f.phones || []).length)
      tell.push(
        el("div", {
          className: "soft silent",
          textContent: `always “silence” is ${Math.round(100 * f.silent)} % right`,
        }),
      )
    errors.replaceChildren(...tell)
    if (f.quick) return
    const P = f.prosody || [],
      flow = P.length && "flow" in P[0],
      up = voice.scrollTop
    voice.replaceChildren(
      ...(P.length
        ? [
            el("div", {
              className: "soft",
              textContent:
                (f.voice_errors || [])
                  .map(e => `${e.how === "own" ? "own adapter" : "flow"} is off by ${e.error.toFixed(2)} deviations`)
                  .join(", ") +
                ((f.voice_errors || []).length ? `, the mean by ${f.voice_errors[0].mean.toFixed(2)}` : ""),
            }),
            grid(
              ["prosody", "true", "own", ...(flow ? ["flow"] : []), "unit"],
              P.map(r => ({
                title: r.name + ", " + r.unit,
                cells: [
                  r.name,
                  number(r.true),
                  number(r.own),
                  ...(flow ? [number(r.flow)] : []),
                  r.unit
                    .split(/[,;]/)[0]
                    .replace("fraction of frames in [0", "fraction")
                    .replace("full scale in [0", "full scale")
                    .replace("zero crossings per sample in [0", "per sample"),
                ],
              })),
              "pro",
            ),
          ]
        : []),
    )
    voice.scrollTop = up
  }
  return {
    el: box,
    show: on => {
      if (on !== open) {
        open = on
        on ? ask({}) : ((sent = 0), page.post({face: null}))
      }
      marks()
    },
    marks,
  }
}
