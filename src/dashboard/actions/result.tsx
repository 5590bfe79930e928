/** The result line of the last action, with its undo button. It stays until it is dismissed or replaced. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import { backTo, locationFields, type PageLocation } from "../location.ts";
import { PostForm } from "../layout/forms.tsx";
import { markup } from "../layout/shell.tsx";
import type { UndoEntry } from "./undo.ts";

export interface ActionResultProps {
  readonly entry: UndoEntry;
  readonly location: PageLocation;
}

export function ActionResult({ entry: { key, text, undo }, location }: ActionResultProps): JSX.Element {
  return (
    <div class="done-line">
      <p safe>{text}</p>
      {undo.length > 0 ? (
        <PostForm action={`/undo/${key}`} target="#done" fields={locationFields(location)}>
          <button type="submit">Undo</button>
        </PostForm>
      ) : (
        ""
      )}
      <a class="dismiss" href={attribute(backTo(location))} data-close="done" aria-label="Dismiss">
        ×
      </a>
    </div>
  );
}

/**
 * The htmx response to a completed action: shows the result, closes the dialog and clears an earlier error. It contains
 * no state of upstreams: the live stream sends only differences to what it sent before, so only the stream may update it.
 */
export function renderActionResult(done: ActionResultProps): string {
  return markup(
    <>
      <Partial target="#done">
        <ActionResult {...done} />
      </Partial>
      <Partial target="#panel">{""}</Partial>
      <Partial target="#notice">{""}</Partial>
    </>,
  );
}

interface PartialProps {
  readonly target: string;
  readonly children: JSX.Element | string;
}

/** A fragment that names its target, so htmx swaps it in whatever the status. */
export function Partial({ target, children }: PartialProps): JSX.Element {
  return (
    <tag of="hx-partial" {...{ "hx-target": target, "hx-swap": "innerMorph" }}>
      {children}
    </tag>
  );
}
