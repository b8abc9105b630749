"""Text of the operator's page: HTML, style and script; it loads nothing from elsewhere."""

HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evolution</title>
<link rel="stylesheet" href="page.css">
<link rel="icon" href="data:,">
</head>
<body>
<header>
  <div><h1 id="session">Evolution</h1><p id="phase" role="status">connecting</p></div>
  <button id="stop" type="button">Stop after this block</button>
</header>
<main>
<p id="lost" class="alarm" role="alert" hidden></p>
<section><h2>Rates by block</h2><p class="legend" id="legend"></p>
  <div id="rates" class="chart"></div></section>
<section><h2>Baseline</h2><p id="drift"></p><div id="baseline" class="chart"></div></section>
<section class="wide"><h2>Images of this block</h2><div id="images"></div></section>
<section><h2>Latency of each step</h2>
  <table><thead><tr><th>step</th><th>last</th><th>median</th><th>longest</th></tr></thead>
  <tbody id="latencies"></tbody></table></section>
<section><h2>Missing, and warnings</h2><ul id="missing"></ul></section>
</main>
<script src="page.js"></script>
</body>
</html>
"""

STYLE = """:root { color-scheme: light dark; --line: #c8ccd0; --soft: #565c63; --back: #fff; --card: #f5f6f7;
  --text: #16191c; --texture: #00659e; --object: #a84300; --none: #5b4a8a; --alarm: #a11212; }
@media (prefers-color-scheme: dark) { :root { --line: #4a5057; --soft: #b4bac1; --back: #15181b;
  --card: #1e2226; --text: #eceff1; --texture: #6cbdf0; --object: #ff9a52; --none: #b9a7f0;
  --alarm: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
header { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem 1.5rem;
  justify-content: space-between; align-items: center; padding: .7rem 1.2rem; background: var(--back);
  border-bottom: 1px solid var(--line); }
h1 { margin: 0; font-size: 1.2rem; overflow-wrap: anywhere; } h2 { margin: 0 0 .3rem; font-size: 1rem; }
p { margin: 0; } #phase, #drift, .legend { color: var(--soft); font-variant-numeric: tabular-nums; }
main { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem; padding: 1rem 1.2rem;
  max-width: 90rem; margin: auto; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; }
.wide, .alarm { grid-column: 1 / -1; } .alarm { color: var(--alarm); font-weight: 600; }
button { font: inherit; font-weight: 600; padding: .5rem 1rem; border-radius: 6px; cursor: pointer;
  border: 2px solid var(--alarm); background: transparent; color: var(--alarm); }
button:disabled { cursor: default; border-color: var(--line); color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .4rem; border-bottom: 1px solid var(--line); font-weight: 400; }
th { color: var(--soft); } th:first-child, td:first-child { text-align: left; }
ul { margin: 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.row { display: flex; flex-wrap: wrap; gap: 4px; margin: .2rem 0 .8rem; }
.row img { width: 56px; height: 56px; image-rendering: pixelated; background: var(--line); }
.chart svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--soft); font-size: 12px; } svg .axis { stroke: var(--line); }
.key { display: inline-block; width: 1.6rem; border-top: 3px solid; vertical-align: middle;
  margin-right: .3rem; }
.key.t1 { border-top-style: dashed; } .legend span.item { margin-right: 1.2rem; white-space: nowrap; }
.texture { color: var(--texture); } .object { color: var(--object); } .none { color: var(--none); }
svg .line { fill: none; stroke: currentColor; stroke-width: 2; } svg .t1 { stroke-dasharray: 6 4; }
svg .bar { stroke: currentColor; stroke-width: 1.2; } svg circle { fill: currentColor; }
@media (max-width: 48rem) { main { grid-template-columns: minmax(0, 1fr); padding: .7rem; } }
"""

SCRIPT = """'use strict';
const at = id => document.getElementById(id);
const kindOf = thread => (thread && thread.kind) || 'none';
let shownImages = '';

function make(tag, attributes = {}, text = '') {
  const svg = ['svg', 'g', 'path', 'line', 'circle', 'text', 'title'].includes(tag);
  const node = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== '') node.textContent = text;
  return node;
}

function ticks(top) {
  const rough = top / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(k => k * power).find(s => s >= rough);
  return Array.from({length: Math.floor(top / step) + 1}, (_, i) => i * step);
}

function chart(place, series, label) {
  const width = Math.max(280, place.clientWidth || 560), height = 240, left = 44, low = height - 36;
  const points = series.flatMap(s => s.points);
  if (!points.length) { place.replaceChildren(make('p', {}, 'no block is finished yet')); return; }
  const blocks = points.map(p => p.block), first = Math.min(...blocks), last = Math.max(...blocks, first + 1);
  const top = 1.08 * Math.max(...points.map(p => p.mean + (p.sem || 0)), 1e-3);
  const x = b => left + 8 + (b - first) / (last - first) * (width - left - 20);
  const y = v => low - v / top * (low - 12);
  const svg = make('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label});
  for (const v of ticks(top)) {
    svg.append(make('line', {class: 'axis', x1: left, x2: width, y1: y(v), y2: y(v)}));
    svg.append(make('text', {x: left - 6, y: y(v) + 4, 'text-anchor': 'end'}, String(+v.toPrecision(6))));
  }
  const step = Math.max(1, Math.ceil((last - first) / Math.max(1, Math.floor(width / 80))));
  for (let b = first; b <= last; b += step)
    svg.append(make('text', {x: x(b), y: low + 16, 'text-anchor': 'middle'}, String(b)));
  svg.append(make('text', {x: width / 2, y: height - 3, 'text-anchor': 'middle'}, 'block'));
  svg.append(make('text', {x: 4, y: 10}, 'spikes/s'));
  for (const s of series) {
    const group = make('g', {class: s.kind});
    const d = s.points.map((p, i) => `${i ? 'L' : 'M'}${x(p.block)},${y(p.mean)}`).join('');
    group.append(make('path', {class: `line t${s.thread}`, d}));
    for (const p of s.points) {
      if (p.sem) group.append(make('line', {class: 'bar', x1: x(p.block), x2: x(p.block),
        y1: y(p.mean - p.sem), y2: y(p.mean + p.sem)}));
      const dot = make('circle', {cx: x(p.block), cy: y(p.mean), r: 3});
      dot.append(make('title', {}, `block ${p.block}: ${p.mean.toFixed(1)} ± ${(p.sem || 0).toFixed(1)}`));
      group.append(dot);
    }
    svg.append(group);
  }
  place.replaceChildren(svg);
}

function drawCharts(state) {
  const threads = Object.keys(state.threads);
  at('legend').replaceChildren(...threads.map(number => {
    const item = make('span', {class: 'item'}), thread = state.threads[number];
    item.append(make('span', {class: `key t${number} ${kindOf(thread)}`}));
    item.append(`thread ${number}: ${thread.space}, ${thread.optimiser}; mean ± SEM`);
    return item;
  }));
  chart(at('rates'), threads.map(number => ({
    thread: number, kind: kindOf(state.threads[number]),
    points: state.blocks.filter(b => b.threads[number] && b.threads[number].mean !== null)
      .map(b => ({block: b.block, ...b.threads[number]})),
  })), 'Mean evoked rate of each thread by block, with standard errors');
  const baseline = state.blocks.filter(b => b.baseline).map(b => ({block: b.block, ...b.baseline}));
  chart(at('baseline'), [{thread: '0', kind: 'none', points: baseline}], 'Baseline rate by block');
  const last = baseline.at(-1);
  const sign = state.drift >= 0 ? '+' : '−';
  const drift = state.drift === null ? '' : `; drift ${sign}${Math.abs(state.drift).toFixed(2)} a block`;
  at('drift').textContent = !last ? 'no block is finished yet'
    : `${last.mean.toFixed(1)} ± ${last.sem.toFixed(1)} spikes/s in the last block${drift}`;
}

function drawImages(state) {
  const key = JSON.stringify(state.images);
  if (key === shownImages) return;
  shownImages = key;
  at('images').replaceChildren(...Object.entries(state.images).flatMap(([number, names]) => {
    const row = make('div', {class: 'row'}), thread = state.threads[number] || {space: ''};
    for (const name of names)
      row.append(make('img', {src: `image/${encodeURIComponent(name)}`, alt: name, title: name}));
    const title = `thread ${number}, ${thread.space}: ${names.length} images`;
    return [make('p', {class: kindOf(thread)}, title), row];
  }));
}

function draw(state) {
  document.title = `${state.session}: block ${state.block} of ${state.n_blocks}`;
  at('session').textContent = state.session;
  at('phase').textContent = `block ${state.block} of ${state.n_blocks}: ${state.phase}` +
    (state.phase === 'show' ? `, ${state.presentations} presentations, ${state.due} images` : '');
  at('stop').disabled = state.stopping;
  at('stop').textContent = state.stopping ? 'Stops after this block' : 'Stop after this block';
  drawCharts(state);
  drawImages(state);
  const milli = s => `${(1000 * s).toFixed(s < 0.0995 ? 1 : 0)} ms`;
  at('latencies').replaceChildren(...state.latencies.map(row => {
    const line = make('tr');
    for (const text of [row.step, milli(row.last), milli(row.median), milli(row.longest)])
      line.append(make('td', {}, text));
    return line;
  }));
  const told = [...state.missing.map(name => `no rate: ${name}`), ...state.warnings.slice().reverse()];
  at('missing').replaceChildren(...(told.length ? told : ['nothing is missing']).map(t => make('li', {}, t)));
}

async function refresh() {
  try {
    const answer = await fetch('state.json', {cache: 'no-store'});
    if (!answer.ok) throw new Error(await answer.text());
    draw(await answer.json());
    at('lost').hidden = true;
  } catch (error) {
    at('lost').hidden = false;
    at('lost').textContent =
      'The evolution does not answer: it has ended, or was stopped. What is shown is old.';
    at('phase').textContent = 'no connection';
  }
  setTimeout(refresh, 1000);
}

at('stop').addEventListener('click', async () => {
  at('stop').disabled = true;
  await fetch('stop', {method: 'POST', headers: {'X-Evoalign-Stop': 'after this block'}});
});
refresh();
"""
