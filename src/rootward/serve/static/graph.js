// The documents that were found and everything above them, as a drawing: roots at the top, one box a node.
import {html, useLayoutEffect, useMemo, useRef, useState} from "./dom.js";
import {cut, score, shown} from "./text.js";
import {Graph, layout} from "./vendor/dagre.js";

const MOST = {answer: 40, near: 5, missed: 16, all: 90}, NARROW = "(max-width: 640px)", SMALLEST = 0.8;
const HEIGHT = 30, PADDING = 12, LONGEST = 26;

export const MEANING = {
  named: "the answer",
  answer: "above it, found",
  wrong: "found, but not right",
  near: "likely, but rejected",
  missed: "right, but missed",
  between: "on the way up",
  short: "some steps left out",
};

/** What each document of a result is: Map of id to one of the keys of MEANING. */
export function kinds(result, named) {
  const found = new Map();
  const put = (id, kind) => found.has(id) || found.set(id, kind);
  const accepted = result.documents.filter((each) => each.accepted !== false);
  const rejected = result.documents.filter((each) => each.accepted === false);
  if (named !== null) put(named, result.documents.find((each) => each.id === named)?.relevant === false ? "wrong" : "named");
  for (const each of accepted.slice(0, MOST.answer)) put(each.id, each.relevant === false ? "wrong" : "answer");
  const missing = new Set(result.missing ?? []);
  for (const each of rejected) if (each.relevant) missing.add(each.id);
  for (const id of [...missing].slice(0, MOST.missed)) put(id, "missed");
  const close = rejected.filter((each) => !missing.has(each.id)).sort((a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity));
  const wrong = [...found.values()].filter((kind) => kind === "wrong").length;
  const room = matchMedia(NARROW).matches ? 2 : Math.max(1, MOST.near - wrong);
  for (const each of close.slice(0, room)) put(each.id, "near");
  return found;
}

/**
 * The nodes to draw and the links between them. Of what is right or may be, everything above; of what is not, only the
 * nearest drawn node above, over a link that leaves out what is between.
 */
function choose(result, edges, named) {
  const parents = new Map();
  for (const [child, parent] of edges) parents.set(child, [...(parents.get(child) ?? []), parent]);
  const all = kinds(result, named), nodes = new Map(), links = [];
  const depths = new Map(result.documents.map((each) => [each.id, each.path.length]));
  const depth = (id) => depths.get(id) ?? 0;  // what stands above others first, so that they can hang from it
  const isAside = (kind) => kind === "near" || kind === "wrong";
  for (const [id, kind] of all) if (!isAside(kind)) nodes.set(id, kind);
  for (const id of nodes.keys())  // a Map is walked while it grows
    for (const parent of parents.get(id) ?? []) {
      if (!nodes.has(parent) && nodes.size < MOST.all) nodes.set(parent, all.get(parent) ?? "between");
    }
  for (const [child, parent] of edges) if (nodes.has(child) && nodes.has(parent)) links.push({child, parent, short: false});
  for (const [id, kind] of [...all].sort((a, b) => depth(a[0]) - depth(b[0]))) {
    if (!isAside(kind) || nodes.has(id)) continue;
    const steps = new Map([[id, 0]]);
    let top = id;
    for (const each of steps.keys()) {
      if (each !== id) top = each;
      if (each !== id && nodes.has(each)) break;
      for (const parent of parents.get(each) ?? []) if (!steps.has(parent)) steps.set(parent, steps.get(each) + 1);
    }
    nodes.set(id, kind);
    if (top === id) continue;
    if (!nodes.has(top)) nodes.set(top, "between");
    links.push({child: id, parent: top, short: steps.get(top) > 1});
  }
  return {nodes, links};
}

let canvas = null;
function width(text, font) {
  canvas ??= document.createElement("canvas").getContext("2d");
  canvas.font = font;
  return Math.min(240, canvas.measureText(text).width);
}

/** Places by dagre: nodes with their middle, links with their points. */
function place({nodes, links}, names) {
  const graph = new Graph({multigraph: false});
  graph.setGraph({rankdir: "TB", nodesep: 14, ranksep: 22, edgesep: 8, marginx: 2, marginy: 2});
  graph.setDefaultEdgeLabel(() => ({}));
  const key = new Map([...nodes.keys()].map((id, i) => [id, `n${i}`]));
  const font = `13px ${getComputedStyle(document.body).fontFamily}`;
  for (const [id, kind] of nodes) {
    const label = cut(shown(names[id] || id), LONGEST);
    graph.setNode(key.get(id), {id, kind, label, width: Math.ceil(width(label, kind === "named" ? `650 ${font}` : font)) + 2 * PADDING + 14, height: HEIGHT});
  }
  for (const {child, parent, short} of links) graph.setEdge(key.get(parent), key.get(child), {short});
  layout(graph);
  const {width: wide, height: high} = graph.graph();
  return {
    wide, high,
    nodes: graph.nodes().map((each) => graph.node(each)),
    links: graph.edges().map((edge) => ({
      from: graph.node(edge.v).id, to: graph.node(edge.w).id, points: graph.edge(edge).points, short: graph.edge(edge).short,
    })),
  };
}

const curve = (points) => {
  const [first, ...rest] = points, last = rest.at(-1), middle = (first.y + last.y) / 2;
  if (rest.length < 3) return `M${first.x} ${first.y}C${first.x} ${middle} ${last.x} ${middle} ${last.x} ${last.y}`;
  let path = `M${first.x} ${first.y}`;
  for (let i = 0; i < rest.length - 1; i++) {
    const end = i === rest.length - 2 ? last : {x: (rest[i].x + rest[i + 1].x) / 2, y: (rest[i].y + rest[i + 1].y) / 2};
    path += `Q${rest[i].x} ${rest[i].y} ${end.x} ${end.y}`;
  }
  return path;
};

const SIGNS = {
  named: "M-4 0l3 3.5L4.500 -4",
  answer: "M-4 0l3 3.5L4.500 -4",
  wrong: "M-3.500 -3.500l7 7M3.500 -3.500l-7 7",
  missed: "M0 -4.500v5M0 3.500v.6",
  near: "M-3.500 0h7",
  between: "M0 3.500v-7M-3 -.5l3 -3l3 3",
};

const Sign = ({kind}) => html`<path class="sign" d=${SIGNS[kind]} />`;

/**
 * The drawing with its legend. Arrow keys walk along the links, Enter opens a node.
 *
 * @param named id of the node that the text names, or null
 */
export function AnswerGraph({result, names, edges, named, label, onOpen}) {
  const drawing = useMemo(() => {
    const chosen = choose(result, edges, named);
    return chosen.links.length || chosen.nodes.size === 1 ? place(chosen, names) : null;
  }, [result, names, edges, named]);
  const [focus, setFocus] = useState(null);
  const svg = useRef(), frame = useRef();
  useLayoutEffect(() => setFocus(null), [drawing]);
  useLayoutEffect(() => {  // a drawing wider than its frame starts with the answer in the middle
    const node = drawing?.nodes.find((each) => each.id === named) ?? drawing?.nodes[0];
    const scale = svg.current ? svg.current.clientWidth / drawing.wide : 1;
    if (node && frame.current) frame.current.scrollLeft = node.x * scale - frame.current.clientWidth / 2;
  }, [drawing]);
  if (!drawing) return null;
  const scores = new Map(result.nothing_fits ? [] : result.documents.map((each) => [each.id, each.score]));
  const stop = drawing.nodes.some((each) => each.id === focus) ? focus
    : drawing.nodes.some((each) => each.id === named) ? named : drawing.nodes[0].id;
  const onKeyDown = (event) => {
    const here = drawing.nodes.find((each) => each.id === stop);
    const by = {
      ArrowUp: () => drawing.links.find((link) => link.to === stop)?.from,
      ArrowDown: () => drawing.links.find((link) => link.from === stop)?.to,
      ArrowLeft: () => drawing.nodes.filter((each) => each.x < here.x).sort(nearest(here))[0]?.id,
      ArrowRight: () => drawing.nodes.filter((each) => each.x > here.x).sort(nearest(here))[0]?.id,
    }[event.key];
    if (event.key === "Enter" || event.key === " ") event.preventDefault(), onOpen(stop);
    if (!by) return;
    event.preventDefault();
    const next = by();
    if (next === undefined) return;
    setFocus(next);
    svg.current.querySelector(`[data-at="${drawing.nodes.findIndex((each) => each.id === next)}"]`)?.focus();
  };
  const lit = new Set(["named", "answer"]);
  const kind = new Map(drawing.nodes.map((each) => [each.id, each.kind]));
  const used = Object.keys(MEANING).filter((each) => drawing.nodes.some((node) => node.kind === each)
    || (each === "short" && drawing.links.some((link) => link.short)));
  return html`<figure class="graph">
    <div class="frame" ref=${frame}>
      <svg ref=${svg} viewBox=${`0 0 ${drawing.wide} ${drawing.high}`} width=${drawing.wide} height=${drawing.high}
        style=${{minWidth: `${Math.round(SMALLEST * drawing.wide)}px`}}
        role="group" aria-label=${label} onKeyDown=${onKeyDown}>
        ${drawing.links.map((link) => html`<path key=${`${link.from}\n${link.to}`} d=${curve(link.points)}
          class=${`edge ${lit.has(kind.get(link.from)) && lit.has(kind.get(link.to)) ? "lit" : ""} ${link.short ? "short" : ""}`} />`)}
        ${drawing.nodes.map((node, i) => html`<g key=${node.id} data-at=${i} class=${`node ${node.kind}`} role="button"
          tabindex=${node.id === stop ? 0 : -1} transform=${`translate(${node.x} ${node.y})`}
          aria-label=${`${shown(names[node.id] || node.id)}, ${MEANING[node.kind]}${scores.get(node.id) == null ? ""
            : `, score ${score(scores.get(node.id))}`}`}
          onClick=${() => (setFocus(node.id), onOpen(node.id))} onFocus=${() => setFocus(node.id)}>
          <title>${shown(names[node.id] || node.id)}</title>
          <rect x=${-node.width / 2} y=${-node.height / 2} width=${node.width} height=${node.height} rx="8" />
          <g transform=${`translate(${-node.width / 2 + PADDING + 2} 0)`}><${Sign} kind=${node.kind} /></g>
          <text x="8" y="0" dominant-baseline="central" text-anchor="middle">${node.label}</text>
        </g>`)}
      </svg>
    </div>
    <figcaption class="legend">${used.map((each) => html`<span key=${each} class=${`key ${each}`}>
      <svg viewBox="-8 -8 16 16" aria-hidden="true">${each === "short" ? html`<path class="edge short" d="M-8 0h16" />`
        : html`<rect x="-7" y="-7" width="14" height="14" rx="4" /><${Sign} kind=${each} />`}</svg>
      ${MEANING[each]}</span>`)}</figcaption>
  </figure>`;
}

const nearest = (here) => (a, b) =>
  Math.abs(a.y - here.y) * 4 + Math.abs(a.x - here.x) - (Math.abs(b.y - here.y) * 4 + Math.abs(b.x - here.x));
