// A dialogue about one node: its names, what is above and below, and what can be done from here.
import {node as fetchNode} from "./api.js";
import {html, useEffect, useRef, useState} from "./dom.js";
import {count, shown} from "./text.js";

const Links = ({title, nodes, more = 0, onOpen}) =>
  nodes.length > 0 && html`<section>
    <h3>${title}</h3>
    <ul class="links">${nodes.map((each) => html`<li key=${each.id}>
      <button type="button" class="link" onClick=${() => onOpen(each.id)}><bdi>${shown(each.name || each.id)}</bdi></button>
    </li>`)}</ul>
    ${more > 0 && html`<p class="quiet">and ${more.toLocaleString("en")} more</p>`}
  </section>`;

export function NodeDialog({id, run, onOpen, onClose, onSearch, onBelow}) {
  const dialog = useRef();
  const [about, setAbout] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    setError(null);
    fetchNode(id, run, stop.signal).then(setAbout, (failure) => failure.name !== "AbortError" && setError(failure.message));
    return () => stop.abort();
  }, [id, run]);
  useEffect(() => dialog.current.showModal(), []);
  const known = about?.id === id ? about : null;
  return html`<dialog ref=${dialog} class="node-dialog" aria-labelledby="node-title" onClose=${onClose}
    onClick=${(event) => event.target === dialog.current && dialog.current.close()}>
    <div class="inside">
      <header>
        <h2 id="node-title"><bdi>${shown(known?.name || id)}</bdi></h2>
        <button type="button" class="icon" aria-label="Close" onClick=${() => dialog.current.close()}>
          <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 3l10 10M13 3L3 13" /></svg>
        </button>
      </header>
      <p class="quiet"><code><bdi>${shown(id)}</bdi></code>${known && known.depth !== null && known.depth !== undefined
        ? ` · ${count(known.depth, "level")} below the root` : ""}</p>
      ${error && html`<p class="problem" role="alert">${error}</p>`}
      ${known && html`
        ${known.synonyms?.length > 0 && html`<p>Also called <bdi>${known.synonyms.map(shown).join(", ")}</bdi></p>`}
        <${Links} title="Directly above" nodes=${known.parents} onOpen=${onOpen} />
        <${Links} title=${`Directly below (${(known.n_children ?? known.children.length).toLocaleString("en")})`}
          nodes=${known.children} more=${(known.n_children ?? 0) - known.children.length} onOpen=${onOpen} />`}
      <footer>
        <button type="button" class="primary" onClick=${() => onSearch(id)}>Search for this node</button>
        <button type="button" onClick=${() => onBelow(id)}>Search only below it</button>
      </footer>
    </div>
  </dialog>`;
}
