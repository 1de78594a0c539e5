// The view that answers one text: the node it names first, then everything above it, then each document's score.
import {search as fetchAnswers} from "./api.js";
import {Combobox} from "./combobox.js";
import {html, useEffect, useMemo, useRef, useState} from "./dom.js";
import {AnswerGraph} from "./graph.js";
import {count, cut, percent, score, shown} from "./text.js";

const WAIT = 120;

/** The answer of one run to one text: {answer, error, busy}; older requests are given up, the last answer stays. */
function useAnswer(text, run, filters) {
  const [state, setState] = useState({answer: null, error: null, busy: false});
  const key = JSON.stringify([text, run?.name, filters]);
  const first = useRef(true);
  useEffect(() => {
    const wait = first.current ? 0 : WAIT;
    first.current = false;
    if (!run || text.trim() === "") {
      setState({answer: null, error: null, busy: false});
      return;
    }
    const stop = new AbortController();
    setState((old) => ({...old, busy: true}));
    const timer = setTimeout(async () => {
      try {
        const told = await fetchAnswers([text], run, {filters, signal: stop.signal});
        let result = told.results[0];
        if (filters.below || filters.levels) result = {...result, missing: null};  // most of them were not asked for
        setState({answer: {...told, result, text}, error: null, busy: false});
      } catch (error) {
        if (error.name !== "AbortError") setState({answer: null, error, busy: false});
      }
    }, wait);
    return () => (clearTimeout(timer), stop.abort());
  }, [key]);
  return state;
}

/** The node that a result names: the server's, or where it names none the first document that belongs to the answer. */
export function namedNode(result) {
  if (result.error || result.nothing_fits) return null;
  if (result.node !== null && result.node !== undefined) return result.node;
  const accepted = result.documents.filter((each) => each.accepted !== false);
  return (accepted.find((each) => each.hops === 0) ?? accepted[0])?.id ?? null;
}

function Path({ids, names, onOpen}) {
  return html`<ol class="path" aria-label="The way down from the root">${ids.map((id) => html`<li key=${id}>
    <button type="button" class="link" title=${shown(id)} onClick=${() => onOpen(id)}><bdi>${cut(shown(names[id] || id), 40)}</bdi></button>
  </li>`)}</ol>`;
}

function Truth({result}) {
  if (result.missing === undefined || result.missing === null) return null;
  const accepted = result.documents.filter((each) => each.accepted !== false);
  const right = accepted.filter((each) => each.relevant).length;
  const wrong = accepted.filter((each) => each.relevant === false).length;
  const late = result.documents.filter((each) => each.accepted === false && each.relevant).map((each) => each.id);
  const all = right + new Set([...result.missing, ...late]).size;
  return html`<p class="truth"><strong class=${right < all ? "bad" : "good"}>${right} of ${count(all, "right answer")} found</strong>${
    wrong > 0 && html`, <strong class="bad">${count(wrong, "wrong one")}</strong>`}</p>`;
}

function Answer({answer, named, onOpen, onSearch}) {
  const {result, names = {}} = answer;
  const notes = (result.notes ?? []).filter((note) => note !== result.error && !/^\d+ of \d+ right answers?\b|^nothing fits$| with probability [\d.]+$/.test(note)
    && !(result.others?.length && / also means /.test(note)));
  if (result.error) {
    return html`<div class="card problem-card"><p class="kicker">No answer</p><p class="problem">${shown(result.error)}</p></div>`;
  }
  const document = result.documents.find((each) => each.id === named);
  const path = document?.path ?? [];
  const title = named === null ? null : shown(names[named] || document?.name || named);
  const wrong = document?.relevant === false, right = result.documents.find((each) => each.hops === 0)?.id;
  return html`<div class="card">
    <p class="kicker">${named === null ? "Answer" : wrong ? "Named, but not right" : result.unseen || document?.hops === undefined ? "Most likely" : "This is"}</p>
    ${named === null
      ? html`<h2 class="none">Nothing fits</h2>
        <p class="quiet">The text is unlike everything that this run knows, or no document reaches its threshold.</p>`
      : html`<h2 class=${wrong ? "bad" : ""}><button type="button" class="link" onClick=${() => onOpen(named)}><bdi title=${title}>${cut(title, 120)}</bdi></button></h2>`}
    ${title !== null && title !== shown(named) && html`<p class="id"><code><bdi>${cut(shown(named), 60)}</bdi></code></p>`}
    ${named !== null && result.probability !== null && result.probability !== undefined && html`<div class="chance">
      <div class="meter" role="meter" aria-label="Chance that this is right" aria-valuemin="0" aria-valuemax="100"
        aria-valuenow=${Math.round(100 * result.probability)}><span style=${{width: `${100 * result.probability}%`}}></span></div>
      <span>${percent(result.probability)} likely to be right</span></div>`}
    ${path.length > 1 && html`<${Path} ids=${path} names=${names} onOpen=${onOpen} />`}
    <${Truth} result=${result} />
    ${wrong && right !== undefined && html`<p class="truth">Right is <button type="button" class="link strong" onClick=${() => onOpen(right)}>
      <bdi>${cut(shown(names[right] || right), 60)}</bdi></button></p>`}
    ${result.others?.length > 0 && html`<div class="others"><span class="quiet">Also means</span> ${result.others.slice(0, 6).map((id) => html`
      <button type="button" key=${id} onClick=${() => onSearch(id)}><bdi>${cut(shown(id), 30)}</bdi></button>`)}</div>`}
    ${notes.length > 0 && html`<ul class="notes">${notes.map((note) => html`<li key=${note}>${shown(note)}</li>`)}</ul>`}
  </div>`;
}

function Documents({answer, named, onOpen}) {
  const {result, names = {}} = answer;
  const [all, setAll] = useState(false);
  const known = result.documents.some((each) => each.hops !== null && each.hops !== undefined);
  const chances = result.documents.some((each) => each.probability !== null && each.probability !== undefined);
  const scores = result.probability === null || result.probability === undefined;  // a classifier's scores are chances
  const rows = [...result.documents.filter((each) => each.accepted !== false), ...result.documents.filter((each) => each.accepted === false)];
  const visible = all ? rows : rows.slice(0, 15);
  const missing = (result.missing ?? []).filter((id) => !result.documents.some((each) => each.id === id));
  const first = rows.findIndex((each) => each.accepted === false);
  const columns = 1 + Number(known) + Number(scores) + Number(chances);
  if (!rows.length && !missing.length) return null;
  return html`<div class="table"><table class="documents">
    <caption class="hidden">Documents with their scores</caption>
    <thead><tr><th scope="col">Document</th>${known && html`<th scope="col" class="number">Steps up</th>`}
      ${scores && html`<th scope="col" class="number">Score</th>`}${chances && html`<th scope="col" class="number">Chance</th>`}</tr></thead>
    <tbody>
      ${visible.map((each, i) => html`${i === first && (named === null || (result.threshold !== null && result.threshold !== undefined)) && html`
        <tr key="threshold" class="threshold"><td colspan=${columns}><span>${named === null ? "closest, but none fits" : scores
          ? `below the threshold of ${score(result.threshold)}` : `less likely than ${percent(result.threshold)}`}</span></td></tr>`}
        <tr key=${each.id} class=${`${each.accepted === false ? "rejected" : "accepted"} ${each.id === named ? "named" : ""}`}>
          <th scope="row"><button type="button" class="link" title=${shown(each.id)} onClick=${() => onOpen(each.id)}>
            <bdi>${cut(shown(each.name || names[each.id] || each.id), 48)}</bdi></button>
            ${each.relevant === false && each.accepted !== false && html`<span class="tag wrong">wrong</span>`}
            ${each.relevant && each.accepted === false && html`<span class="tag missed">missed</span>`}
            ${each.added && html`<span class="tag">added</span>`}</th>
          ${known && html`<td class="number">${each.hops ?? "–"}</td>`}
          ${scores && html`<td class="number">${score(each.score)}</td>`}
          ${chances && html`<td class="number">${each.probability == null ? "–" : percent(each.probability)}</td>`}
        </tr>`)}
      ${missing.slice(0, 20).map((id) => html`<tr key=${`missing ${id}`} class="rejected">
        <th scope="row"><button type="button" class="link" title=${shown(id)} onClick=${() => onOpen(id)}><bdi>${cut(shown(names[id] || id), 48)}</bdi></button>
        <span class="tag missed">missed</span></th>${known && html`<td class="number">–</td>`}${scores && html`<td class="number">–</td>`}${chances && html`<td class="number">–</td>`}</tr>`)}
    </tbody></table>
    ${rows.length > 15 && html`<button type="button" class="more" onClick=${() => setAll(!all)}>${all ? "Show fewer"
      : `Show all ${rows.length.toLocaleString("en")}`}</button>`}
  </div>`;
}

/** What one run answers; `side` names it where two runs are beside each other. */
function Side({state, run, side, onOpen, onSearch}) {
  const {answer, error, busy} = state;
  const named = answer ? namedNode(answer.result) : null;
  return html`<section class="side" aria-busy=${String(busy)} aria-label=${`Answer of ${shown(run.name)}`}>
    ${side && html`<h2 class="run-name"><bdi>${shown(run.name)}</bdi></h2>`}
    ${error && html`<div class="card problem-card" role="alert"><p class="kicker">No answer</p><p class="problem">${shown(error.message)}</p></div>`}
    ${!answer && !error && html`<div class="card waiting" aria-hidden="true"><span></span><span></span><span></span></div>`}
    ${answer && html`<div class=${`answer ${busy ? "stale" : ""}`} data-text=${answer.text}>
      <${Answer} answer=${answer} named=${named} onOpen=${onOpen} onSearch=${onSearch} />
      ${!answer.result.error && html`<div class="below-answer">
        <${AnswerGraph} result=${answer.result} names=${answer.names ?? {}} edges=${answer.edges ?? []} named=${named}
          label=${`What ${shown(run.name)} finds, and everything above it`} onOpen=${onOpen} />
        <${Documents} key=${answer.text} answer=${answer} named=${named} onOpen=${onOpen} /></div>`}
    </div>`}
  </section>`;
}

function Filters({state, change, run}) {
  const [below, setBelow] = useState(state.below ?? "");
  useEffect(() => setBelow(state.below ?? ""), [state.below]);
  const [from, to] = state.levels ?? ["", ""];
  const levels = (low, high) => {
    const whole = (value) => (/^\d{1,3}$/.test(value) ? Number(value) : null);
    if (whole(low) === null && whole(high) === null) change({levels: null});
    else change({levels: [whole(low) ?? 0, whole(high) ?? 999]});
  };
  const active = [state.below, state.levels].filter(Boolean).length;
  const [open, setOpen] = useState(active > 0);
  return html`<button type="button" class=${`filters-button ${active ? "active" : ""}`} aria-expanded=${String(open)} aria-controls="filters"
      onClick=${() => setOpen(!open)}>Filters${active > 0 && ` (${active})`}<svg viewBox="0 0 10 10" aria-hidden="true"><path d="M1 3l4 4l4 -4" /></svg></button>
    <div id="filters" class="fields" hidden=${!open}>
      <div class="field wide"><label for="below">Only below</label>
        <${Combobox} id="below" label="Only below this node" value=${below} run=${run.name} placeholder="any node"
          onInput=${(value) => (setBelow(value), value === "" && change({below: null}))}
          onChoose=${(option) => change({below: option.id})} onEnter=${(value) => change({below: value.trim() || null})} /></div>
      <div class="field"><label for="level-from">Levels from</label>
        <input id="level-from" type="number" min="0" max="999" inputmode="numeric" value=${from} placeholder="0"
          onChange=${(event) => levels(event.target.value, String(to))} /></div>
      <div class="field"><label for="level-to">to</label>
        <input id="level-to" type="number" min="0" max="999" inputmode="numeric" value=${to === 999 ? "" : to} placeholder="any"
          onChange=${(event) => levels(String(from), event.target.value)} /></div>
      ${active > 0 && html`<button type="button" class="clear" onClick=${() => change({below: null, levels: null})}>Remove filters</button>`}
    </div>`;
}

/**
 * @param state {q, run, beside, below, levels} as in the address
 * @param change called with what changes of it, and whether Back should return to what is there now
 */
export function SearchView({state, change, runs, run, beside, onOpen, say}) {
  const filters = useMemo(() => ({below: state.below, levels: state.levels}), [state.below, JSON.stringify(state.levels)]);
  const left = useAnswer(state.q, run, filters);
  const right = useAnswer(state.q, beside, filters);
  useEffect(() => {
    if (!left.answer) {
      if (left.error) say(left.error.message);
      return;
    }
    const told = ({result, names = {}}, name) => {
      const named = namedNode(result), before = name ? `${name}: ` : "";
      if (result.error) return `${before}${result.error}`;
      if (named === null) return `${before}Nothing fits.`;
      const chance = result.probability == null ? "" : `, ${percent(result.probability)} likely`;
      const found = result.documents.filter((each) => each.accepted !== false).length;
      return `${before}${shown(names[named] || named)}${chance}. ${count(found, "document")}.`;
    };
    say([told(left.answer, beside && run.name), right.answer && told(right.answer, beside.name)].filter(Boolean).join(" "));
  }, [left.answer, right.answer, left.error]);
  const onSearch = (q) => change({q}, true);
  const empty = state.q.trim() === "";
  return html`<div class="search-view">
    <form role="search" class="search" onSubmit=${(event) => event.preventDefault()}>
      <${Combobox} id="q" label="Text to answer" kind="strip" value=${state.q} run=${run.name} maxlength="2000"
        placeholder="Type any text, or the name of a node" onInput=${(q) => change({q})}
        onChoose=${(option) => change({q: option.id}, true)} onEnter=${(q) => change({q}, true)} />
      <${Filters} state=${state} change=${change} run=${run} />
    </form>
    ${empty ? html`<div class="welcome"><h2>Which node is it, and what is above it?</h2>
        <p>Type a text. You see the node of ${count(run.documents, "document")} that it names, then everything above that node
        up to the root${beside ? ", for two runs beside each other" : ""}.</p>
        <p class="quiet">Keys: <kbd>/</kbd> search, <kbd>↓</kbd> <kbd>↑</kbd> suggestions, <kbd>Esc</kbd> close, then clear.</p></div>`
      : html`<div class=${`sides ${beside ? "two" : "one"}`}>
        <${Side} state=${left} run=${run} side=${beside !== null} onSearch=${onSearch} onOpen=${(id) => onOpen(id, run.name)} />
        ${beside && html`<${Side} state=${right} run=${beside} side=${true} onSearch=${onSearch} onOpen=${(id) => onOpen(id, beside.name)} />`}
      </div>`}
  </div>`;
}
