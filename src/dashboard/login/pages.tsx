/** The pages of those who are not in: the login, and why something was refused. They need no script. */
/** @jsxImportSource @kitajs/html */

import type { Children } from "@kitajs/html";
import { Brand, HtmlDocument, markup, Notice } from "../layout/shell.tsx";
import { attribute } from "../responses.ts";

export interface LoginProps {
  /** Held against the visit's cookie. */
  readonly csrf: string;
  /** Where to go then: a path of ours. */
  readonly next: string;
  readonly name?: string;
  /** Why the last try failed, or what has just ended. */
  readonly text?: string;
  readonly tone?: "bad" | "calm";
}

export function renderLogin({ csrf, next, name = "", text = "", tone = "bad" }: LoginProps): string {
  return markup(
    <Bare title="Log in · Evenkeel">
      <h1>Log in</h1>
      {text === "" ? (
        ""
      ) : (
        <p class={`login-words ${tone}`} id="login-words" role={tone === "bad" ? "alert" : "status"} safe>
          {text}
        </p>
      )}
      <form method="post" action="/login" class="login">
        <input type="hidden" name="csrf" value={attribute(csrf)} />
        <input type="hidden" name="next" value={attribute(next)} />
        <label for="name">Name</label>
        <input
          id="name"
          name="name"
          value={attribute(name)}
          required
          maxlength="64"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
          {...(name === "" ? { autofocus: true } : {})}
        />
        <label for="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          required
          maxlength="1024"
          autocomplete="current-password"
          {...(name === "" ? {} : { autofocus: true })}
        />
        <button type="submit">Log in</button>
      </form>
    </Bare>,
  );
}

export interface RefusalProps {
  readonly title: string;
  readonly text: string;
}

export function renderAccessDenied({ title, text }: RefusalProps): string {
  return markup(
    <Bare title={`${title} · Evenkeel`}>
      <h1 safe>{title}</h1>
      <p safe>{text}</p>
      <p>
        <a href="/">Back to the dashboard</a>
      </p>
    </Bare>,
  );
}

/** The same for htmx: it replaces the notice and nothing else, also with a status that is not swapped in. */
export function renderAccessDeniedFragment({ title, text }: RefusalProps): string {
  return markup(
    <tag of="hx-partial" {...{ "hx-target": "#notice", "hx-swap": "innerMorph" }}>
      <Notice notice={`${title}. ${text}`} />
    </tag>,
  );
}

function Bare({ title, children }: { readonly title: string; readonly children: Children }): JSX.Element {
  return (
    <HtmlDocument title={title} body={{ class: "bare" }}>
      <main>
        <p class="brand">
          <Brand />
        </p>
        {children}
      </main>
    </HtmlDocument>
  );
}
