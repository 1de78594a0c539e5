// The view of a run's figures: what was measured, on which texts, and recall by distance as a chart and a table.
import {card as fetchCard} from "./api.js";
import {html, useEffect, useRef, useState} from "./dom.js";
import {shown} from "./text.js";

const KINDS = {
  "held-out": ["Held-out", "Measured on texts that training did not see."],
  trained: ["Trained", "Measured on the queries that the model was trained on. New texts will do less well."],
};
const NAMES = {
  accuracy: ["Node right", "texts whose node is named exactly"],
  hp: ["Precision", "hierarchical: of the named node and all above it, how much is right"],
  hr: ["Recall", "hierarchical: of the right node and all above it, how much is named"],
  hf: ["F1", "hierarchical: of both"],
  mrr: ["MRR", "mean of 1 / rank of the right node"],
};

let loading = null;
/** uPlot, which only this view needs; it is no module, so it comes with its own element. */
const chartLibrary = () =>
  (loading ??= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement("link"), {rel: "stylesheet", href: "static/vendor/uplot.css"});
    const script = Object.assign(document.createElement("script"), {src: "static/vendor/uplot.js"});
    script.onload = () => resolve(window.uPlot);
    script.onerror = () => ((loading = null), reject(new Error("The chart could not be loaded.")));
    document.head.append(style, script);
  }));

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function Chart({cards}) {
  const place = useRef();
  useEffect(() => {
    let chart = null, gone = false;
    const draw = (uPlot) => {
      if (gone || !place.current) return;
      chart?.destroy();
      const far = Math.max(...cards.flatMap((each) => each.figures.by_distance.map(({distance}) => distance)));
      const x = Array.from({length: far + 1}, (_, i) => i);
      const lines = cards.map((each) => {
        const at = new Map(each.figures.by_distance.map(({distance, recall}) => [distance, recall]));
        return x.map((distance) => at.get(distance) ?? null);
      });
      const colors = [color("--accent"), color("--second")];
      const axis = {stroke: color("--quiet"), grid: {stroke: color("--line"), width: 1}, ticks: {show: false}, font: `12px ${color("--font")}`};
      chart = new uPlot({
        width: place.current.clientWidth, height: 260, legend: {show: false}, cursor: {show: false}, padding: [12, 16, 0, 0],
        scales: {x: {time: false, range: [-0.3, far + 0.3]}, y: {range: [0, 103]}},
        axes: [
          {...axis, grid: {show: false}, label: "steps up from the node", labelSize: 22, labelFont: axis.font, size: 30,
            splits: () => x.filter((each) => far <= 12 || each % 2 === 0), values: (_, values) => values.map(String)},
          {...axis, splits: () => [0, 25, 50, 75, 100], values: (_, values) => values.map((value) => `${value} %`), size: 52},
        ],
        series: [{}, ...cards.map((each, i) => ({
          label: shown(each.name), stroke: colors[i], width: 2, dash: i ? [6, 4] : undefined, spanGaps: true,
          points: {show: true, size: 7, fill: color("--surface"), width: 2},
        }))],
      }, [x, ...lines], place.current);
    };
    const again = () => chartLibrary().then(draw, () => {});
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const size = new ResizeObserver(() => place.current && chart?.setSize({width: place.current.clientWidth, height: 260}));
    again();
    size.observe(place.current);
    dark.addEventListener("change", again);
    return () => ((gone = true), size.disconnect(), dark.removeEventListener("change", again), chart?.destroy());
  }, [cards]);
  return html`<div class="chart" ref=${place} role="img" aria-label="Recall by distance; the table below has the same figures"></div>`;
}

const share = (value) => (value === null || value === undefined ? "–" : `${value.toFixed(value > 99.95 && value < 100 ? 2 : 1)} %`);

/** Figures with what they were measured on, said beside them. */
function Measured({title, kind, n, tiles}) {
  const [name, meaning] = KINDS[kind] ?? ["Not known", "What they were measured on is not known."];
  return html`<section class="measured"><h3>${title} <span class=${`tag kind ${kind}`}>${name}</span></h3>
    <p class="quiet">${meaning}${n ? ` ${n.toLocaleString("en")} texts.` : ""}</p>
    <dl class="tiles">${tiles.map(([label, value, about]) => html`<div class="tile" key=${label}><dt>${label}</dt>
      <dd>${share(value)}</dd><dd class="quiet">${about}</dd></div>`)}</dl></section>`;
}

function Card({card, second}) {
  const {figures} = card, nodes = figures?.nodes;
  const tiles = Object.entries(NAMES).filter(([name]) => typeof nodes?.[name] === "number")
    .map(([name, [label, about]]) => [label, nodes[name], about]);
  const about = [["Documents", card.documents], ["Queries", card.queries], ["Tower", card.tower], ["Source", card.source],
    ["Answer sets", card.labelled ? "by a classifier" : card.calibrated ? "calibrated" : "by each known query's threshold"]];
  return html`<section class=${`run-card ${second ? "second" : ""}`} aria-label=${`Figures of ${shown(card.name)}`}>
    <h2><bdi>${shown(card.name)}</bdi></h2>
    ${tiles.length > 0 && html`<${Measured} title="The named node" kind=${nodes.kind ?? figures.kind} n=${nodes.n} tiles=${tiles} />`}
    ${typeof figures?.recall === "number" && html`<${Measured} title="The node and everything above it" kind=${figures.kind}
      tiles=${[["Recall", figures.recall, "right documents among as many of the best as are right"]]} />`}
    ${!tiles.length && typeof figures?.recall !== "number" && html`<p class="quiet">Nothing was measured of this run.</p>`}
    <dl class="about">${about.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => html`<div key=${name}>
      <dt>${name}</dt><dd>${typeof value === "number" ? value.toLocaleString("en") : html`<bdi>${shown(value)}</bdi>`}</dd></div>`)}</dl>
    ${card.remarks?.length > 0 && html`<ul class="notes">${card.remarks.map((remark) => html`<li key=${remark}>${shown(remark)}</li>`)}</ul>`}
  </section>`;
}

function ByDistance({cards}) {
  const distances = [...new Set(cards.flatMap((each) => each.figures.by_distance.map(({distance}) => distance)))].sort((a, b) => a - b);
  return html`<section class="by-distance" aria-label="Recall by distance">
    <h2>Recall by distance</h2>
    <p class="quiet">How much is found of what stands 0, 1, 2, … steps above the node.</p>
    ${cards.length > 1 && html`<p class="legend">${cards.map((each, i) => html`<span key=${each.name} class=${`line line-${i}`}><bdi>${shown(each.name)}</bdi></span>`)}</p>`}
    <${Chart} cards=${cards} />
    <div class="table"><table class="figures"><caption class="hidden">Recall by distance</caption>
      <thead><tr><th scope="col">Steps up</th>${cards.map((each) => html`<th scope="col" class="number" key=${each.name}><bdi>${shown(each.name)}</bdi></th>`)}
        <th scope="col" class="number">Pairs</th></tr></thead>
      <tbody>${distances.map((distance) => {
        const at = cards.map((each) => each.figures.by_distance.find((row) => row.distance === distance));
        const pairs = at.find((row) => row)?.n;
        return html`<tr key=${distance}><th scope="row">${distance}</th>
          ${at.map((row, i) => html`<td class="number" key=${i}>${row?.recall == null ? "–" : `${row.recall.toFixed(1)} %`}</td>`)}
          <td class="number">${pairs === undefined || pairs === null ? "–" : pairs.toLocaleString("en")}</td></tr>`;
      })}</tbody></table></div>
  </section>`;
}

export function FiguresView({run, beside, say}) {
  const [cards, setCards] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    setError(null);
    Promise.all([run, beside].filter(Boolean).map((each) => fetchCard(each.name, stop.signal))).then(
      (found) => (setCards(found), say(`Figures of ${found.map((each) => shown(each.name)).join(" and ")}.`)),
      (failure) => failure.name !== "AbortError" && setError(failure.message));
    return () => stop.abort();
  }, [run.name, beside?.name]);
  if (error) return html`<p class="problem" role="alert">${error}</p>`;
  if (!cards) return html`<div class="card waiting" aria-hidden="true"><span></span><span></span><span></span></div>`;
  const drawn = cards.filter((each) => each.figures?.by_distance?.length);
  return html`<div class="figures-view">
    <div class=${`cards ${cards.length > 1 ? "two" : ""}`}>${cards.map((each, i) => html`<${Card} key=${each.name} card=${each} second=${i > 0} />`)}</div>
    ${drawn.length > 0 && html`<${ByDistance} cards=${drawn} />`}
  </div>`;
}
