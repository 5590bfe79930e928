/** What was just done, with the way to take it back: a line that stays until it is dismissed or the next thing is done. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import { backTo, locationFields, type PageLocation } from "../location.ts";
import { PostForm } from "../layout/forms.tsx";
import { markup } from "../layout/shell.tsx";
import type { UndoEntry } from "./undo.ts";

export interface DoneProps {
  readonly deed: UndoEntry;
  readonly place: PageLocation;
}

export function ActionResult({ deed: { key, text, undo }, place: location }: DoneProps): JSX.Element {
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
 * After an act that htmx asked for: says what was done, shuts the dialog, and forgets an earlier failure. How things are
 * now comes with the live stream, and by it alone: it counts on what it sent before.
 */
export function renderActed(done: DoneProps): string {
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

/** Names its own target, so that it is swapped in with any status. */
export function Partial({ target, children }: PartialProps): JSX.Element {
  return (
    <tag of="hx-partial" {...{ "hx-target": target, "hx-swap": "innerMorph" }}>
      {children}
    </tag>
  );
}
