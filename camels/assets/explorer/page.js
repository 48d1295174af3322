// The page: what a user sets goes to Python as a message; what Python says comes back as parameters, once a frame.
export function render({model}) {
  const root = el("div", {className: "explorer", tabIndex: 0}),
    page = {
      model,
      root,
      panes: [],
      selected: new Set(),
      current: -1,
      hovered: -1,
      tool: "lasso",
      words: {},
      extra: {},
      modalities: [],
      group: new Uint8Array(0),
      facet: new Uint8Array(0),
      facets: [],
      colours: [],
      n: 0,
      accent: model.accent,
    }
  const notebook = !!document.querySelector(".jp-Notebook, .jp-LabShell, #notebook"),
    post = (page.post = m => model.send_msg(m))
  page.set = v => post({set: v})
  page.select = rows => {
    page.selected = new Set(rows)
    page.panes.forEach(p => p.draw())
    post({select: rows})
  }
  page.look = (row, play) => {
    page.current = row
    page.panes.forEach(p => p.draw())
    page.detail()
    post({look: row})
    if (play) page.playing(row)
  }
  page.frames = side => model.meta.frames[side]
  const aside = card(page),
    drawers = drawer(page),
    c = {}
  page.panes = ["left", "right"].map(s => new Pane(page, s))
  for (const [k, label] of [
    ["colour_by", "Colour by"],
    ["facet_by", "Facet by"],
    ["modality", "Show"],
    ["projection", "Map"],
    ["lines", "Lines"],
  ])
    c[k] = select(label, v => page.set({[k]: v}))
  const find = el("input", {
    type: "search",
    placeholder: "a word, then Enter",
    "aria-label": "Find",
    onkeydown: e => {
      if (e.key === "Enter") page.set({query: find.value})
      if (e.key === "Escape") root.focus()
    },
  })
  const tools = el(
    "div",
    {className: "tools", role: "group", "aria-label": "what dragging does"},
    ...["lasso", "box", "pan"].map(t =>
      el("button", {
        type: "button",
        textContent: t,
        "data-tool": t,
        onclick: () => {
          page.tool = t
          marks()
        },
      }),
    ),
  )
  const axis = el(
    "div",
    {className: "tools axis"},
    ...["a", "b"].map(k =>
      el("button", {
        type: "button",
        textContent: k.toUpperCase() + " = selection",
        title: k === "a" ? "these moments lie at 0" : "these moments lie at 1",
        onclick: () => post({axis: k}),
      }),
    ),
  )
  const views = select("Saved views", v => v && post({open: v})),
    name = el("input", {placeholder: "name", "aria-label": "Name of this view", size: 7}),
    link = el("button", {
      type: "button",
      textContent: "Link",
      title: "copy this view's address",
      onclick: () => {
        const u = notebook ? model.query : location.origin + location.pathname + "?" + model.query
        ;(navigator.clipboard ? navigator.clipboard.writeText(u) : Promise.reject()).then(
          () =>
            say(
              "The address of this view is copied." +
                (page.selected.size > 60 ? " Its selection is too long for an address: save the view to keep it." : ""),
            ),
          () => say(u),
        )
      },
    })
  const keep = el("button", {
      type: "button",
      textContent: "Save view",
      onclick: () => post({save: name.value || "view " + (model.choices.views || []).length}),
    }),
    theme = el("button", {
      type: "button",
      textContent: "◐",
      title: "light or dark",
      "aria-label": "light or dark",
      onclick: () => {
        model.theme = page.dark ? "light" : "dark"
        paint()
      },
    })
  const title = el("div", {className: "name"}),
    message = el("div", {className: "message", role: "status", hidden: true}),
    legend = el("div", {className: "legend"}),
    wrong = el("div", {className: "wrong", role: "alert", hidden: true}),
    say = t => {
      message.textContent = t
      message.hidden = !t
      clearTimeout(say.timer)
      if (t)
        say.timer = setTimeout(() => {
          message.hidden = true
        }, 9000)
    }
  const head = el(
      "header",
      {},
      title,
      find,
      ...Object.entries(c).map(([, s]) => field(s.getAttribute("aria-label"), s)),
      el("span", {className: "grow"}),
      field("Views", views),
      name,
      keep,
      link,
      theme,
    ),
    main = el("div", {className: "panes"}, ...page.panes.map(p => p.el))
  const marks = () => {
    tools.querySelectorAll("button").forEach(b => b.setAttribute("aria-pressed", b.dataset.tool === page.tool))
  }
  const behind = () => {
    for (let e = root; e; e = e.parentNode || e.host) {
      const m = e.nodeType === 1 && e !== root && getComputedStyle(e).backgroundColor.match(/[\d.]+/g)
      if (m && (m.length < 4 || +m[3] > 0.5)) return (+m[0] + +m[1] + +m[2]) / 3 < 128
    }
    return matchMedia("(prefers-color-scheme: dark)").matches
  }
  const paint = () => {
    if (model.theme === "auto" && !notebook) document.body.style.background = ""
    page.dark = model.theme === "auto" ? behind() : model.theme === "dark"
    root.dataset.theme = page.dark ? "dark" : "light"
    if (!notebook) document.body.style.background = page.dark ? "#15171a" : "#ffffff"
    page.panes.forEach(p => p.draw())
  }

  const step = d => {
    const n = page.n
    if (!n) return
    const o = page.current < 0 ? (d > 0 ? 0 : n - 1) : clamp(page.current + d, 0, n - 1)
    page.look(o, false)
  }
  const mine = e => {
    const p = e.composedPath(),
      t = p[0]
    return (
      !/^(INPUT|TEXTAREA|SELECT|VIDEO)$/.test(t.tagName || "") &&
      !e.ctrlKey &&
      !e.metaKey &&
      !e.altKey &&
      (p.includes(root) || (!notebook && (t === document.body || t === document.documentElement)))
    )
  }
  const keys = e => {
    if (!root.isConnected) return document.removeEventListener("keydown", keys)
    if (!mine(e)) return
    const go = {
      ArrowRight: () => step(1),
      ArrowLeft: () => step(-1),
      " ": () => page.current >= 0 && page.playing(page.current),
      f: () => {
        find.focus()
        find.select()
      },
      Escape: () => page.select([]),
    }[e.key]
    if (go && !(e.key === " " && e.composedPath()[0].tagName === "BUTTON")) {
      e.preventDefault()
      go()
    }
  }
  document.addEventListener("keydown", keys)
  const parts = {
    meta: () => {
      const m = model.meta
      Object.assign(page, {n: m.n, modalities: m.modalities, words: m.words, large: m.large})
      title.replaceChildren(
        el("b", {textContent: m.title}),
        el("span", {className: "soft", textContent: m.subtitle, title: m.subtitle}),
      )
      main.classList.toggle("one", !!m.one)
      page.table()
    },
    choices: () => {
      const o = model.choices
      for (const k in c) {
        options(c[k], o[k] || [], model.values[k])
        c[k].parentNode.hidden = (o[k] || []).length < 2
      }
      page.panes.forEach(p => {
        p.names = o[p.side] || []
        options(p.stage, p.names, model.values[p.side])
        options(p.run, o.runs || [], model.values[p.side + "_run"])
        p.run.hidden = (o.runs || []).length < 2
        p.stage.hidden = p.names.length < 2
        p.scrub.max = Math.max(0, p.names.length - 1)
        p.scrub.hidden = p.play.hidden = p.names.length < 2
        p.scrub.value = p.names.indexOf(model.values[p.side])
      })
      options(views, o.views || [""], "")
      find.value = model.values.query || ""
      page.lines = model.values.lines
      page.axis = model.values.projection === "axis"
      axis.hidden = !page.axis
    },
    colours: () => {
      page.colours = model.colours
      page.group = new Uint8Array(bytes(model.group))
      page.facets = model.facets
      page.facet = new Uint8Array(bytes(model.facet))
      legend.replaceChildren(
        ...model.legend.map(l =>
          el(
            "button",
            {type: "button", title: "choose " + l.name, onclick: () => post({class: l.name})},
            l.marker ? glyph(l.marker, l.colour) : el("i", {style: `background:${l.colour}`}),
            l.name + (l.count ? " " + l.count.toLocaleString() : ""),
          ),
        ),
      )
    },
    left: () => place(page.panes[0]),
    right: () => place(page.panes[1]),
    selection: () => {
      page.selected = new Set(model.selection)
    },
    current: () => {
      page.current = model.current
      page.detail()
    },
    table: () => {
      const h = model.table.head
      for (const r of model.table.rows)
        if (page.large) page.extra[r.row] = Object.fromEntries(h.map((k, i) => [k, r.cells[i]]))
      page.table()
    },
    face: () => page.face(),
    detail: () => {
      const d = model.detail
      if (d.words) page.extra[d.row] = d.words
      page.detail()
    },
    thumb: () => page.thumb(),
    film: () => page.film(),
    message: () => say(model.message[0] || ""),
    error: () => {
      const e = model.error
      wrong.hidden = !e.what
      root.classList.toggle("failed", !!e.what)
      if (e.what)
        wrong.replaceChildren(
          el("b", {textContent: e.what}),
          el("div", {className: "soft", textContent: e.where || ""}),
          el("div", {textContent: e.hint || ""}),
          el("button", {type: "button", textContent: "Try again", onclick: () => post({again: true})}),
        )
    },
    query: () => {
      if (!notebook) history.replaceState(null, "", location.pathname + (model.query ? "?" + model.query : ""))
    },
    download: () => {
      const d = model.download
      if (d.url) el("a", {href: d.url, download: d.name}).click()
    },
  }
  const place = p => {
    const s = p.side
    p.waiting = false
    p.title.textContent = model["title_" + s]
    p.say.textContent = model["say_" + s]
    p.say.hidden = !model["say_" + s]
    p.marks = model["marks_" + s]
    const i = model["image_" + s]
    if (i && i.url && i.url !== p.shownUrl) {
      p.shownUrl = i.url
      const im = new Image()
      im.onload = () => {
        p.image = {picture: im, box: i.box}
        p.asking = 0
        p.draw()
        if (p.again) {
          p.again = false
          p.ask()
        }
      }
      im.src = i.url
    } else if (!i || !i.url) p.image = null
    const xy = model["xy_" + s]
    if (xy !== p.bytes || JSON.stringify(p.home) !== JSON.stringify(model["home_" + s])) {
      p.bytes = xy
      p.frame(floats(xy), model["home_" + s])
      p.ask()
    } else p.draw()
  }
  const from = {
    meta: ["meta"],
    choices: ["choices", "values"],
    colours: ["colours", "group", "legend", "facet", "facets"],
    selection: ["selection"],
    current: ["current"],
    table: ["table"],
    face: ["face"],
    detail: ["detail"],
    thumb: ["thumb"],
    film: ["film", "film_info"],
    message: ["message"],
    error: ["error"],
    query: ["query"],
    download: ["download"],
  }
  for (const s of ["left", "right"]) from[s] = ["xy_", "home_", "title_", "say_", "image_", "marks_"].map(k => k + s)
  const stale = new Set(Object.keys(from))
  let due = false
  const sync = () => {
    due = false
    const now = [...Object.keys(parts)].filter(k => stale.has(k))
    stale.clear()
    for (const k of now) parts[k]()
    if (now.some(k => k !== "face" && k !== "detail")) page.panes.forEach(p => p.draw())
    root.dataset.frames = (+root.dataset.frames || 0) + 1
  }
  for (const [k, names] of Object.entries(from))
    for (const a of names)
      model.on(a, () => {
        stale.add(k)
        if (!due) {
          due = true
          requestAnimationFrame(sync)
        }
      })
  stale.delete("download")
  root.append(
    head,
    message,
    wrong,
    el(
      "main",
      {},
      el("div", {className: "left-side"}, main, el("div", {className: "under"}, tools, axis, legend), drawers),
      aside,
    ),
    page.tip,
  )
  marks()
  sync()
  setTimeout(paint, 0)
  paint()
  return root
}
