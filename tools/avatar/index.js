// A talking head for Panel: loads the glb that camels.face.glb writes, moves it by 52 weights, alone or along a track.
// Build: cd tools/avatar && npm install && npm run build
import {
  ACESFilmicToneMapping, AmbientLight, BackSide, CanvasTexture, Color, DirectionalLight, Euler, Group, Mesh, MeshBasicMaterial, MeshPhysicalMaterial, PCFShadowMap,
  PerspectiveCamera, PMREMGenerator, PlaneGeometry, Scene, SphereGeometry, SRGBColorSpace, WebGLRenderer,
} from "three"
import {OrbitControls} from "three/examples/jsm/controls/OrbitControls.js"
import {GLTFLoader} from "three/examples/jsm/loaders/GLTFLoader.js"

const LOOK = [0, -0.032, -0.03]   // metres: what the camera circles
const DISTANCE = 0.72

// Channels that close an eye, and by how much of the opening: more than all of it would push one lid through the other.
const LIDS = {eyeBlink: 1, eyeSquint: .47, cheekSquint: .25, eyeLookDown: .25, eyeLookUp: -.2, eyeWide: -.43}
export function settle(w, at) {
  const out = Float32Array.from(w, v => Math.min(1.2, Math.max(0, v || 0)))
  for (const side of ["Left", "Right"]) {
    let shut = 0, more = 0
    for (const [n, k] of Object.entries(LIDS)) { const v = k*out[at[n + side]]; shut += v; if (n !== "eyeBlink" && v > 0) more += v }
    if (shut > 1) {
      const cut = Math.min(1, (shut - 1)/Math.max(more, 1e-6))
      for (const n of ["eyeSquint", "cheekSquint"]) out[at[n + side]] *= 1 - cut
      let now = 0
      for (const [n, k] of Object.entries(LIDS)) now += k*out[at[n + side]]
      if (now > 1) out[at["eyeBlink" + side]] -= now - 1
    }
  }
  out[at.mouthClose] = Math.min(out[at.mouthClose], out[at.jawOpen])   // lips close an open jaw, no more
  return out
}

// The room that the eyes mirror: grey-blue walls, one large soft window, a smaller lamp, a warm floor.
function studio(renderer) {
  const room = new Scene(), add = (w, h, x, y, z, color, k) => {
    const m = new Mesh(new PlaneGeometry(w, h), new MeshBasicMaterial({color: new Color(color).multiplyScalar(k)}))
    m.position.set(x, y, z); m.lookAt(0, 0, 0); room.add(m)
  }
  room.add(new Mesh(new SphereGeometry(20, 24, 16), new MeshBasicMaterial({color: new Color(0x9fa8b4).multiplyScalar(.55), side: BackSide})))
  add(3.6, 4.4, -4.2, 3.4, 7, 0xfff4e8, 13); add(2.4, 5, 8, 2, 4, 0xdfeaff, 3); add(8, 3, 0, 9, -3, 0xffffff, 2.5); add(14, 14, 0, -9, 0, 0xb89880, .55)
  const pmrem = new PMREMGenerator(renderer), map = pmrem.fromScene(room, .02, .1, 100, {size: 128}).texture
  pmrem.dispose()
  room.traverse(o => { o.geometry?.dispose(); o.material?.dispose() })
  return map
}

function backdrop(rgb) {
  const c = document.createElement("canvas"); c.width = c.height = 256
  const g = c.getContext("2d"), tone = (k) => `rgb(${rgb.map(v => Math.min(255, Math.round(v*k))).join(",")})`
  const f = g.createRadialGradient(118, 100, 10, 128, 120, 200)
  f.addColorStop(0, tone(1.12)); f.addColorStop(.55, tone(.96)); f.addColorStop(1, tone(.70))
  g.fillStyle = f; g.fillRect(0, 0, 256, 256)
  const t = new CanvasTexture(c); t.colorSpace = SRGBColorSpace
  return t
}

function light(scene) {
  const key = new DirectionalLight(0xfff1e2, 2.35), fill = new DirectionalLight(0xd6e4ff, .55), rim = new DirectionalLight(0xffffff, .8)
  key.position.set(-.42, .52, .80); fill.position.set(.8, .1, .6); rim.position.set(.5, .5, -.8)
  key.castShadow = true; key.shadow.mapSize.set(1024, 1024); key.shadow.radius = 5; key.shadow.bias = -.0004; key.shadow.normalBias = .0035
  Object.assign(key.shadow.camera, {left: -.2, right: .2, top: .16, bottom: -.24, near: .3, far: 1.8})
  key.target.position.set(0, -.04, -.03)
  scene.add(key, key.target, fill, rim, new AmbientLight(0xffffff, .12))
}

const warm = (r, g, b) => new Color(r, g, b)
const FINISH = {               // what each material adds to its colour and roughness
  skin: {sheen: .35, sheenRoughness: .5, sheenColor: warm(1, .42, .32), envMapIntensity: .42},
  ear: {sheen: .35, sheenRoughness: .5, sheenColor: warm(1, .35, .28), envMapIntensity: .38},
  neck: {sheen: .3, sheenRoughness: .5, sheenColor: warm(1, .42, .32), envMapIntensity: .36},
  lips: {clearcoat: .12, clearcoatRoughness: .5, specularIntensity: .3, envMapIntensity: .6},
  eye: {clearcoat: 1, clearcoatRoughness: .02, roughness: .4, envMapIntensity: 1.0},
  hair: {sheen: .5, sheenRoughness: .35, sheenColor: warm(.5, .42, .36), envMapIntensity: .3},
  teeth: {clearcoat: .5, clearcoatRoughness: .15, envMapIntensity: .4},
  tongue: {clearcoat: .15, clearcoatRoughness: .4, specularIntensity: .4, envMapIntensity: .4},
  mouth: {envMapIntensity: .03, specularIntensity: .15}, gum: {envMapIntensity: .25}, lash: {envMapIntensity: .05, specularIntensity: .1}, lid: {envMapIntensity: .35},
  shirt: {envMapIntensity: .3},
}
const CASTS = new Set(["skin", "lips", "hair", "ear", "teeth", "neck", "shirt"])

class Stage {
  constructor(el, model) {
    this.el = el; this.model = model; this.face = []; this.at = {}; this.head = null; this.goal = null; this.dirty = true
    this.canvas = document.createElement("canvas")
    this.canvas.setAttribute("role", "img"); this.canvas.setAttribute("aria-label", "talking head")
    Object.assign(this.canvas.style, {display: "block", width: "100%", height: "100%", touchAction: "none", borderRadius: "inherit", outline: "none"})
    el.appendChild(this.canvas)
    this.renderer = new WebGLRenderer({canvas: this.canvas, antialias: true, preserveDrawingBuffer: true})
    Object.assign(this.renderer, {toneMapping: ACESFilmicToneMapping, toneMappingExposure: 1.0})
    this.renderer.shadowMap.enabled = true; this.renderer.shadowMap.type = PCFShadowMap
    this.scene = new Scene(); this.room = studio(this.renderer)
    light(this.scene)
    this.camera = new PerspectiveCamera(24, 1, .05, 10)
    this.camera.position.set(LOOK[0], LOOK[1] + .02, LOOK[2] + DISTANCE)
    this.controls = new OrbitControls(this.camera, this.canvas)
    Object.assign(this.controls, {enableDamping: false, enablePan: false, minDistance: .42, maxDistance: 1.4, minPolarAngle: .9, maxPolarAngle: 2.0})
    this.controls.target.set(...LOOK); this.controls.update()
    this.controls.addEventListener("change", () => { this.dirty = true })
    this.holder = new Group(); this.scene.add(this.holder)
    this.watch = new ResizeObserver(() => this.resize()); this.watch.observe(el); this.resize()
    this.frame = requestAnimationFrame(t => this.tick(t))
  }
  resize() {
    const w = Math.max(2, this.el.clientWidth), h = Math.max(2, this.el.clientHeight)
    this.renderer.setPixelRatio(Math.min(2, window.devicePixelRatio || 1)); this.renderer.setSize(w, h, false)
    this.camera.aspect = w/h; this.camera.fov = w < h ? 2*Math.atan(Math.tan(12*Math.PI/180)*h/w*.82 + .0)*180/Math.PI : 24
    this.camera.updateProjectionMatrix(); this.dirty = true
  }
  paint(rgb) {
    this.scene.background?.dispose?.()
    this.scene.background = backdrop(rgb?.length === 3 ? rgb : [196, 206, 214]); this.dirty = true
  }
  async load(bytes, background) {
    if (!bytes || !(bytes.byteLength || bytes.length)) return
    const data = bytes instanceof ArrayBuffer ? bytes : new Uint8Array(bytes).buffer
    const gltf = await new GLTFLoader().parseAsync(data, "")
    this.holder.traverse(o => { o.geometry?.dispose(); if (o.material) { o.material.map?.dispose(); o.material.dispose() } })
    this.holder.clear(); this.face = []; this.paint(background)
    gltf.scene.traverse(o => {
      if (!o.isMesh) return
      const old = o.material, name = old.name
      o.material = new MeshPhysicalMaterial({name, map: old.map, color: old.color, roughness: old.roughness, metalness: 0, vertexColors: old.vertexColors, transparent: old.transparent, side: old.side,
                                             depthWrite: name !== "shade", envMap: this.room, ...(FINISH[name] || {})})
      if (o.material.map) o.material.map.anisotropy = 4
      o.castShadow = CASTS.has(name); o.receiveShadow = name !== "shade"; o.frustumCulled = false
      if (o.morphTargetDictionary) { this.face.push(o); this.at = o.morphTargetDictionary }
      old.dispose()
    })
    this.head = gltf.scene.getObjectByName("head"); this.holder.add(gltf.scene)
    this.apply(); this.dirty = true
  }
  apply(w = this.goal, turn = null) {
    if (w) this.goal = w
    if (!this.face.length) return
    if (this.goal && this.goal.length) {
      const s = settle(this.goal, this.at)
      for (const m of this.face) for (let i = 0; i < m.morphTargetInfluences.length; i++) m.morphTargetInfluences[i] = s[i] || 0
    }
    const h = turn || this.model.head
    if (this.head && h && h.length === 3) this.head.setRotationFromEuler(new Euler(-h[1], h[0], h[2], "YXZ"))   // yaw, pitch, roll
    this.dirty = true
  }
  seek(t) {                       // show the track at `t` seconds, between two frames their mixture
    const {track, fps, head_track: heads} = this.model
    if (!track || !track.length) return
    const x = Math.min(Math.max(t*fps, 0), track.length - 1), i = Math.floor(x), j = Math.min(i + 1, track.length - 1), f = x - i
    const mix = (a) => Array.from(a[i], (v, k) => v + (a[j][k] - v)*f)
    this.apply(mix(track), heads && heads.length === track.length ? mix(heads) : null)
  }
  play(on) {
    this.start = on ? performance.now() - 1000*(this.model.time_s || 0) : null; this.said = 0
  }
  tick(now) {
    this.frame = requestAnimationFrame(t => this.tick(t))
    if (this.start != null) {
      const end = (this.model.track?.length || 0)/this.model.fps
      let t = (now - this.start)/1000
      if (t >= end) {
        if (this.model.loop && end > 0) { t %= end; this.start = now - 1000*t }
        else { t = end; this.start = null; this.mine = end; this.model.time_s = end; this.model.playing = false }
      }
      this.seek(t)
      if (this.start != null && now - this.said > 200) { this.said = now; this.mine = t; this.model.time_s = t }
    }
    if (this.dirty) { this.dirty = false; this.renderer.render(this.scene, this.camera); if (this.ready) this.el.dataset.ready = "yes" }
  }
  dispose() {
    cancelAnimationFrame(this.frame); this.watch.disconnect(); this.controls.dispose()
    this.holder.traverse(o => { o.geometry?.dispose(); o.material?.map?.dispose(); o.material?.dispose() })
    this.room?.dispose(); this.scene.background?.dispose?.(); this.renderer.dispose()
  }
}

export function render({model, el}) {
  const box = document.createElement("div")
  Object.assign(box.style, {position: "relative", width: "100%", height: "100%", minHeight: "120px", overflow: "hidden", borderRadius: "12px", background: `rgb(${(model.background || [196, 206, 214]).join(",")})`})
  el.appendChild(box)
  let stage
  try { stage = new Stage(box, model) } catch (e) {
    box.textContent = "This browser shows no WebGL, which the head needs."; box.style.padding = "1em"; return
  }
  const still = () => { if (!model.playing) stage.apply(model.weights) }
  const fill = () => stage.load(model.glb, model.background).then(() => { if (model.track?.length) stage.seek(model.time_s); else still(); stage.ready = stage.face.length > 0 })
  const on = (name, f) => model.on(name, f)
  on("glb", fill); on("weights", still); on("head", () => stage.apply())
  on("playing", () => stage.play(model.playing))
  on("track", () => { if (model.track?.length) stage.seek(model.time_s); else still() })
  on("background", () => stage.paint(model.background))
  on("time_s", () => { if (stage.mine === model.time_s) return; if (model.playing) stage.play(true); else stage.seek(model.time_s) })
  fill(); if (model.playing) stage.play(true)
  box.stage = stage
  model.on("remove", () => stage.dispose())
  return box
}

export default {Avatar: {render}}
