/** The keys of the dashboard, and what leads to them: the list of all, the line below the table of upstreams, and the links. */
/** @jsxImportSource @kitajs/html */

import { Icon } from "../layout/icon.tsx";

type Key = readonly [keys: string, does: string];

/** Several keys are separated by a space; "then" is a word between two. */
const groups: readonly (readonly [name: string, keys: readonly Key[]])[] = [
  [
    "Go",
    [
      ["/", "Find an upstream, a route, a request or a page; also Ctrl K"],
      ["g then o", "Overview"],
      ["g then r", "Requests"],
      ["g then h", "History"],
      ["g then c", "Certificates"],
      ["g then a", "Alerts"],
      ["g then f", "Fleet"],
    ],
  ],
  [
    "Problems",
    [
      ["1 – 5", "Go to problem 1 to 5"],
      ["a", "Press its button, which asks first"],
      ["p", "Problems only, or all"],
    ],
  ],
  [
    "Rows",
    [
      ["j k", "Next row, previous row"],
      ["↵", "Open the row"],
      ["e", "Open or close its pool"],
      ["s", "Choose the order"],
      ["x", "Select the row"],
      ["Shift X", "Select all rows from the last selected one"],
      ["d m r w", "Drain, maintenance, ready, weight: asks first"],
    ],
  ],
  [
    "Time",
    [
      ["t", "Type a time range"],
      ["[ ]", "Earlier, later"],
      ["0", "Zoom out"],
      ["l", "Back to now"],
      ["← →", "Read the charts point by point"],
    ],
  ],
  [
    "This page",
    [
      ["c", "Copy its link"],
      ["z", "UTC or local times"],
      ["Shift D", "Theme: system, light, dark"],
      ["?", "All keys"],
      ["Esc", "Close, or leave a field or a row"],
    ],
  ],
];

function Keys({ keys }: { readonly keys: string }): JSX.Element {
  return (
    <>
      {keys.split(" ").map((part) => (part === "then" || part === "–" ? `${part} ` : <><kbd safe>{part}</kbd>{" "}</>))}
    </>
  ); // prettier-ignore
}

export function KeyList({ inDialog }: { readonly inDialog: boolean }): JSX.Element {
  return (
    <div class="key-list">
      <tag of={inDialog ? "h2" : "h1"} id="panel-title" class="action-title">
        All keys
      </tag>
      <p class="quiet">Off while a field has the focus. The menu under the sun icon turns all of them off.</p>
      <div class="key-groups">
        {groups.map(([name, keys]) => (
          <section>
            <tag of={inDialog ? "h3" : "h2"} class="key-group">
              {name}
            </tag>
            <dl>
              {keys.map(([key, does]) => (
                <div>
                  <dt>
                    <Keys keys={key} />
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <div class="buttons">
        <a class="button" href="/" data-close="panel">
          {inDialog ? "Close" : "To the overview"}
        </a>
      </div>
    </div>
  );
}

/** In the header of every page. */
export function FindLink(): JSX.Element {
  return (
    <a
      class="find-link"
      href="/find"
      hx-get="/find"
      hx-target="#panel"
      hx-swap="innerHTML"
      data-key="/"
      aria-label="Find an upstream, route, request or page"
    >
      <Icon name="search" />
      <span>Find…</span>
      <kbd>/</kbd>
    </a>
  );
}

/** Opens the list of keys: as a dialog, or as a page without the script. */
export function AllKeysLink({ text }: { readonly text: string }): JSX.Element {
  return (
    <a href="/keys" hx-get="/keys" hx-target="#panel" hx-swap="innerHTML" data-key="?">
      <kbd>?</kbd> {text}
    </a>
  );
}

/** The line below the table of upstreams, where there are keys. */
export function TableKeys(): JSX.Element {
  const shown: readonly Key[] = [
    ["j k", "next, previous"],
    ["↵", "open"],
    ["x", "select"],
    ["d", "drain"],
    ["m", "maintenance"],
    ["r", "ready"],
    ["w", "weight"],
    ["e", "open or close pool"],
    ["p", "problems only"],
  ];
  return (
    <p class="table-keys">
      {shown.map(([keys, does]) => (
        <span>
          <Keys keys={keys} />
          {does}
        </span>
      ))}
      <AllKeysLink text="all keys" />
    </p>
  );
}
