# corrections to moves-by-name.txt
for k, v in list(TAKES.items()):
    if v == "data.toy": TAKES[k] = "data.features"
# latent.curriculum keeps the steering of its own weights: train.control knows no configuration
for n in ("steered", "SteerCB"): TAKES.pop(("curriculum", n), None)
take("recipes.core", "text.train", "epoch_batches")     # the loop that needs it is there
# private names that another page imports become public: {(old module, name): new name}
RENAME = {
    ("encoders.face", "_points"): "landmark_points",
    ("encoders.face", "_site"): "mediapipe_folder",
    ("data.studio", "_CALIBRATE"): "CALIBRATION_TEXT",
    ("data.studio", "_choose"): "choose_one",
    ("runs", "_note"): "launch_note",
    ("explore.views", "_run_latents"): "run_latents",
    ("explore.views", "STAGES"): "STORED_STAGES",
    ("report", "STAGES"): "STORED_STAGES",
    ("text.albert", "_Graph"): "OnnxGraph",
    ("v3.features", "_checked"): "checked_sound",
    ("train.phones", "_much"): "spoiling",
    ("face.channels", "_gap_row"): "lip_gap_row",
    ("viz", "_axes"): "plot_axes",
    ("viz", "_legend"): "plot_legend",
}
# a definition that is there twice: the first goes, the second serves
SAME = {("explore.views", "STAGES"): ("report", "STAGES")}
TAKES["explore.views", "STAGES"] = "latent.snapshots"
SAME["v3.train", "anchor_conditions"] = ("facebench", "anchor_conditions")
# lessons and words that stand better elsewhere: {cell id: new module}
MOVE_CELLS = {i: "encoders.tracker" for i in "d454e7c1 a2e672ed 4651bf74 9474c374 b1680cd5 a3b44b36 d23dc4f2 78fd6600 f5d1e1d0 a6c10ffd 585ffff1 bd8c3078 7c273082 e1018e90".split()}
MOVE_CELLS |= {"0b46f835": "encoders.face", "50c411e1": "encoders.face"}   # what the whole encoder costs
# rooms that came with the faults of issue 14
HEIR["faultbench"] = "bench.faults"; NUMBERS["bench.faults"] = 894
HEIR["apps.guard"] = "apps.guard"; NUMBERS["apps.guard"] = 916
take("data.features", "curriculum", "parquet_arrays RESERVED from_arrays")
take("train.run", "curriculum", "is_held")
take("latent.config", "curriculum", "check_device")
for n in ("weights_now", "_v3_now"): TAKES.pop(("runs", n), None)
take("train.control", "train.learner", "Trainer trainers")
# replacements of text in old cells, before the move: {old module: [(old, new)]}
PATCHES = {
    "faultbench": [("from camels.cli import main\n    main()", 'programs["main"]()'), ("from camels.cli import app\n", 'app = programs["app"]\n'),
                   ("    from camels.apps.guard import open_routes\n    from camels.apps.home import serve_apps\n    server = serve_apps(", '    server = programs["serve"]('), ("open_routes(server, server.guard)", 'programs["open_routes"](server, server.guard)'),
                   ("from camels.core import CamelsError, fingerprint", "from camels.core import CamelsError, Registry, fingerprint"),
                   ("PRELOAD = (", '# the command line is a floor above: found by name, when a campaign calls it\nprograms = Registry("program", {\n    "main": "camels.cli:main",\n    "app": "camels.cli:app",\n    "serve": "camels.apps.home:serve_apps",\n    "open_routes": "camels.apps.guard:open_routes",\n})\n\nPRELOAD = (')],
}
# rooms that have grown past 400 lines with issue 14
HEIR["media"] = "media.read"; del NUMBERS["media"]
NUMBERS |= {"media.open": 10, "media.write": 12, "media.sound": 14, "media.read": 16, "media.clips": 18}
take("media.open", "media", "NoSound NoPicture RATES_HZ MOST_CHANNELS MOST_SIDE MOST_PIXELS MOST_S MOST_READ_S MOST_HOLE_S FULL_SCALE FORMATS _kind_of _why _check_file Sizes _CHUNKS _unknown _chunk_sizes _avi_sizes _au_sizes _mp4_sizes _ebml _mkv_sizes _AGAIN _found_again _sizes _stamp open_media _is _real _no_stream _check_header _check_size LISTEN_S _choice _sounds _stream _zero BACK_S SEEKABLE MEASURED TIMELESS Survey _Parts _surveyed _survey _joins _packets _frames _channels THIN _stated_s _cut_off _check_end _length_s")
take("media.write", "media", "_writing _pictures AAC_RATES _mux_sound _add_picture write_video write_audio")
take("media.sound", "media", "_PLACES channel_weights _names Mix _decide _mix _mono _Levels _on_grid _place _aligned _resampled _samples read_audio iter_audio OffsetFilter")
take("media.clips", "media", "window_starts Clip _number _short _whole_text _clip read_clips write_clips")
take("train.run", "core", "RECORD read_record odd_record")
take("encoders.tracker", "encoders.face", "AGAIN_S SUDDEN half_turn is_upside_down")
take("latent.snapshots", "explore.views", "read_points")

RENAME |= {("media", a): b for a, b in dict(_check_size="check_picture_size", _choice="chosen_stream", _frames="timed_frames", _is="of_kind", _joins="find_joins", _length_s="stream_length_s",
    _real="is_real_stream", _stamp="file_stamp", _stream="pick_stream", _mix="sound_mix", _channels="sound_channels", _check_file="check_plain_file").items()}

RENAME["media", "_clip"] = "row_clip"

RENAME["media", "_cancels"] = "sides_cancel"
# recipes as Learners: what they share, and rooms for what has grown
RENAME.pop(("train.phones", "_much"), None)
RENAME["train.phones", "_hiss"] = "make_hiss"
NUMBERS |= {"recipes.phones.hearing": 813, "recipes.phones.loss": 817, "recipes.text.surgery": 833, "recipes.text.lessons": 835}
take("recipes.core", "train.phones", "on_threads data_folder checked_recipe settings_of steer_weights WeightsCB RateCB LineCB Batches Sitting")
take("recipes.phones.inventory", "train.phones", "phone_data")
take("recipes.phones.hearing", "train.phones", "crop warps hear hide how_much make_batch")
take("recipes.phones.align", "train.phones", "Chain chain")
take("recipes.phones.loss", "train.phones", "NEVER said_posterior any_posterior PathLoss phones_loss")
take("recipes.phones.measure", "train.phones", "lowest SETS")
take("bench.models", "train.phones", "_seconds _speeds")
take("recipes.text.corpus", "text.train", "TextBatches TeacherConfig")
take("recipes.text.teacher", "text.train", "start_heads TeacherLoss fit_part teacher_file")
take("recipes.text.measure", "text.train", "platt_each best_power Exam marked calibrated_ngrams MEASURES card_table")
take("recipes.text.surgery", "text.train", "SMALL borrow_words keep_neurons borrow_layers")
take("recipes.text.lessons", "text.train", "Lessons rated_ngrams make_lessons add_emoji disguise")
take("bench.models", "text.train", "_null_f1 _speed_rows")
