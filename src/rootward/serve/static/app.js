// The page: which view, which run, and the address that remembers both.
import * as api from "./api.js";
import {html, render, useCallback, useEffect, useRef, useState} from "./dom.js";
import {FiguresView} from "./figures.js";
import {LabelView} from "./label.js";
import {NodeDialog} from "./node.js";
import {SearchView} from "./search.js";
import {cut, shown} from "./text.js";

const VIEWS = {search: "Search", figures: "Figures", label: "Label texts"};

/** The state that an address tells: ?q=&run=&with=&below=&levels=&view= */
function readAddress() {
  const told = new URLSearchParams(location.search);
  const levels = /^(\d+)-(\d+)$/.exec(told.get("levels") ?? "");
  return {
    view: Object.hasOwn(VIEWS, told.get("view")) ? told.get("view") : "search",
    q: told.get("q") ?? "", run: told.get("run"), beside: told.get("with"), below: told.get("below"),
    levels: levels && [Number(levels[1]), Number(levels[2])],
  };
}

function toAddress({view, q, run, beside, below, levels}) {
  const told = new URLSearchParams();
  if (view !== "search") told.set("view", view);
  if (q) told.set("q", q);
  if (run) told.set("run", run);
  if (beside) told.set("with", beside);
  if (below) told.set("below", below);
  if (levels) told.set("levels", levels.join("-"));
  const words = told.toString();
  return `${location.pathname}${words ? `?${words}` : ""}`;
}

function Token({onToken}) {
  const [token, setToken] = useState("");
  return html`<form class="card token" onSubmit=${(event) => (event.preventDefault(), onToken(token))}>
    <label for="token">This server asks for a token</label>
    <input id="token" type="password" autocomplete="off" value=${token} onInput=${(event) => setToken(event.target.value)} />
    <button class="primary">Continue</button></form>`;
}

function RunChoice({id, label, runs, value, none, onChange}) {
  return html`<label class="run-choice" for=${id}><span>${label}</span>
    <select id=${id} value=${value ?? ""} onChange=${(event) => onChange(event.target.value || null)}>
      ${none && html`<option value="">${none}</option>`}
      ${runs.map((run) => html`<option key=${run.name} value=${run.name}>${cut(shown(run.name), 40)}</option>`)}
    </select></label>`;
}

function App() {
  const [state, setState] = useState(readAddress);
  const [runs, setRuns] = useState(null);
  const [error, setError] = useState(null);
  const [open, setOpen] = useState(null);
  const [said, setSaid] = useState("");
  const pushed = useRef(false), saying = useRef(), views = useRef();

  const load = useCallback(() => api.runs().then((found) => (setRuns(found), setError(null)), setError), []);
  useEffect(() => {
    load();
    const back = () => ((pushed.current = null), setState(readAddress()));
    const slash = (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || /^(input|textarea|select)$/i.test(event.target.tagName)) return;
      event.preventDefault();
      document.getElementById("q")?.focus();
    };
    addEventListener("popstate", back);
    addEventListener("keydown", slash);
    return () => (removeEventListener("popstate", back), removeEventListener("keydown", slash));
  }, []);
  useEffect(() => {
    const address = toAddress(state);
    if (pushed.current !== null && address !== location.pathname + location.search)
      history[pushed.current ? "pushState" : "replaceState"](null, "", address);
    pushed.current = false;
    document.title = state.view === "search" ? (state.q ? `${cut(shown(state.q), 60)} · rootward` : "rootward") : `${VIEWS[state.view]} · rootward`;
  }, [state]);

  const change = useCallback((values, remember = false) => {
    pushed.current = remember || pushed.current === true;
    setState((old) => ({...old, ...values}));
  }, []);
  const say = useCallback((words) => {  // after a pause, so that a screen reader is not interrupted at every letter
    clearTimeout(saying.current);
    saying.current = setTimeout(() => setSaid(words), 350);
  }, []);
  const search = (values) => {
    setOpen(null);
    change({view: "search", ...values}, true);
    requestAnimationFrame(() => document.getElementById("q")?.focus());
  };

  const run = runs?.find((each) => each.name === state.run) ?? runs?.[0];
  const beside = runs?.find((each) => each.name === state.beside && each !== run) ?? null;
  const onTab = (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) return;
    const names = Object.keys(VIEWS), next = names[(names.indexOf(state.view) + step + names.length) % names.length];
    change({view: next}, true);
    views.current.querySelector(`#tab-${next}`).focus();
  };
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <header class="top"><div class="inner">
      <h1><img src="static/icon.svg" alt="" width="26" height="26" />rootward</h1>
      <div class="tabs" role="tablist" aria-label="Views" ref=${views} onKeyDown=${onTab}>${Object.entries(VIEWS).map(([view, name]) => html`
        <button key=${view} type="button" role="tab" id=${`tab-${view}`} aria-controls="view" aria-selected=${String(state.view === view)}
          tabindex=${state.view === view ? 0 : -1} onClick=${() => change({view}, true)}>${name}</button>`)}</div>
      <div class="choices">${runs?.length > 1 && html`
        <${RunChoice} id="run" label="Run" runs=${runs} value=${run.name} onChange=${(name) => change({run: name}, true)} />
        ${state.view !== "label" && html`<${RunChoice} id="with" label="beside" runs=${runs.filter((each) => each !== run)} value=${beside?.name}
          none="no other" onChange=${(name) => change({beside: name}, true)} />`}`}
        ${runs?.length === 1 && html`<span class="quiet"><bdi>${cut(shown(run.name), 40)}</bdi></span>`}</div>
    </div></header>
    <main id="main" tabindex="-1"><div id="view" role="tabpanel" aria-labelledby=${`tab-${state.view}`}>
      ${error?.status === 401 ? html`<${Token} onToken=${(token) => (api.keepToken(token), load())} />`
        : error ? html`<div class="card problem-card" role="alert"><p class="problem">${shown(error.message)}</p>
          <button type="button" onClick=${load}>Try again</button></div>`
        : runs && (run ? html`
          ${state.view === "search" && html`<${SearchView} state=${state} change=${change} runs=${runs} run=${run} beside=${beside}
            say=${say} onOpen=${(id, name) => setOpen({id, run: name})} />`}
          ${state.view === "figures" && html`<${FiguresView} run=${run} beside=${beside} say=${say} />`}
          <div hidden=${state.view !== "label"}><${LabelView} run=${run} say=${say} /></div>`
          : html`<div class="card">The server serves no run.</div>`)}
    </div></main>
    <p class="hidden" role="status" aria-live="polite">${said}</p>
    ${open && html`<${NodeDialog} key="dialog" id=${open.id} run=${open.run} onOpen=${(id) => setOpen({...open, id})} onClose=${() => setOpen(null)}
      onSearch=${(id) => search({q: id})} onBelow=${(id) => search({below: id})} />`}`;
}

render(html`<${App} />`, document.getElementById("page"));
