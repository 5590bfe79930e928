/** What stands where there is no page, or none that can be shown: the sentence, and the ways on around it. */
/** @jsxImportSource @kitajs/html */

import { isForPage, markupAnswer, textResponse } from "./answers.ts";
import { markup, Shell } from "./shell.tsx";

export interface MissingPage {
  readonly status: number;
  readonly title: string;
  readonly words: string;
}

/** In the shape that the caller can use. */
export function notFoundResponse(request: Request, { status, title, words }: MissingPage): Response {
  return isForPage(request)
    ? markupAnswer(renderNotFound({ title, words }), status)
    : textResponse(status, `${title}. ${words}`);
}

export function renderNotFound({ title, words }: Pick<MissingPage, "title" | "words">): string {
  return markup(
    <Shell title={`${title} · Evenkeel`} here="lost">
      <main class="lost">
        <h1 safe>{title}</h1>
        <p class="quiet" safe>
          {words}
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
