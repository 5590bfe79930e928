/** The pages of the finder and of the list of keys, each also as the content of the dialog. */
/** @jsxImportSource @kitajs/html */

import { markup, Shell } from "../layout/shell.tsx";
import { attribute } from "../responses.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { FindResult } from "./find.ts";
import { KeyList } from "./key-list.tsx";

interface FindPage {
  readonly text: string;
  readonly results: readonly FindResult[];
  readonly snapshot: Snapshot | undefined;
}

export function renderFind({ text, results, snapshot }: FindPage, inDialog: boolean): string {
  const panel = <FindPanel text={text} results={results} inDialog={inDialog} />;
  return inDialog ? markup(panel) : pageWith("Find", panel, snapshot);
}

/** The items of the list alone. */
export function renderFound(results: readonly FindResult[]): string {
  return markup(<FoundItems results={results} />);
}

export function renderKeys(snapshot: Snapshot | undefined, inDialog: boolean): string {
  const list = <KeyList inDialog={inDialog} />;
  return inDialog ? markup(list) : pageWith("All keys", list, snapshot);
}

function pageWith(title: string, content: JSX.Element, snapshot: Snapshot | undefined): string {
  return markup(
    <Shell title={`${title} · Evenkeel`} here="keys" snapshot={snapshot}>
      <main class="alone">
        <section class="pool">{content}</section>
      </main>
    </Shell>,
  );
}

interface FindProps {
  readonly text: string;
  readonly results: readonly FindResult[];
  readonly inDialog: boolean;
}

/** The list is renewed while one types. */
function FindPanel({ text, results, inDialog }: FindProps): JSX.Element {
  const quicker = {
    "hx-get": "/find/results",
    "hx-target": "#found",
    "hx-swap": "innerMorph",
    "hx-trigger": "input changed delay:100ms",
    "hx-sync": "this:replace",
  };
  return (
    <div class="find">
      <tag of={inDialog ? "h2" : "h1"} id="panel-title" class="action-title">
        Find
      </tag>
      <form method="get" action="/find" role="search">
        <label class="unseen" for="find-text">
          Name of an upstream, pool, route or page, or the id of a request
        </label>
        <input
          type="search"
          id="find-text"
          name="q"
          value={attribute(text)}
          placeholder="Upstream, pool, route, page, request id"
          maxlength="200"
          autocomplete="off"
          spellcheck="false"
          autofocus
          {...quicker}
        />
        <button type="submit" class="button">
          Find
        </button>
      </form>
      <ul class="found" id="found">
        <FoundItems results={results} />
      </ul>
      {inDialog ? (
        <div class="buttons">
          <a class="button" href="/" data-close="panel">
            Close
          </a>
        </div>
      ) : (
        ""
      )}
    </div>
  );
}

function FoundItems({ results }: Pick<FindProps, "results">): JSX.Element {
  return (
    <>
      {results.map(({ kind, name, address, detail }) => (
        <li>
          <a href={attribute(address)}>
            <span class="found-kind">{kind}</span>
            <span class="found-name" safe>
              {name}
            </span>
            <span class="found-detail" safe>
              {detail}
            </span>
          </a>
        </li>
      ))}
    </>
  );
}
