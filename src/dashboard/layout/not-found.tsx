/** The page for an unknown address or an error: a title, a sentence and the usual navigation. */
/** @jsxImportSource @kitajs/html */

import { isForPage, htmlResponse, textResponse } from "../responses.ts";
import { markup, Shell } from "./shell.tsx";

export interface MissingPage {
  readonly status: number;
  readonly title: string;
  readonly text: string;
}

/** A page for browsers, plain text for programs and htmx. */
export function notFoundResponse(request: Request, { status, title, text }: MissingPage): Response {
  return isForPage(request)
    ? htmlResponse(renderNotFound({ title, text }), status)
    : textResponse(status, `${title}. ${text}`);
}

function renderNotFound({ title, text }: Pick<MissingPage, "title" | "text">): string {
  return markup(
    <Shell title={`${title} · Evenkeel`} here="lost">
      <main class="lost">
        <h1 safe>{title}</h1>
        <p class="quiet" safe>
          {text}
        </p>
        <p>
          <a class="button" href="/">
            To the overview
          </a>
        </p>
      </main>
    </Shell>,
  );
}
