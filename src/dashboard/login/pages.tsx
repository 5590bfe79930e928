/** The pages without a session: the login form and access errors. They work without a script. */
/** @jsxImportSource @kitajs/html */

import type { Children } from "@kitajs/html";
import { Brand, HtmlDocument, markup, Notice } from "../layout/shell.tsx";
import { attribute } from "../responses.ts";

export interface LoginProps {
  /** Derived from the visit cookie. */
  readonly csrf: string;
  /** Local path to open after the login. */
  readonly next: string;
  readonly name?: string;
  /** Why the last login failed, or a notice. */
  readonly text?: string;
  readonly tone?: "bad" | "calm";
}

export function renderLogin({ csrf, next, name = "", text = "", tone = "bad" }: LoginProps): string {
  return markup(
    <BarePage title="Log in · Evenkeel">
      <h1>Log in</h1>
      {text === "" ? (
        ""
      ) : (
        <p class={`login-message ${tone}`} id="login-message" role={tone === "bad" ? "alert" : "status"} safe>
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
    </BarePage>,
  );
}

export interface RefusalProps {
  readonly title: string;
  readonly text: string;
}

export function renderAccessDenied({ title, text }: RefusalProps): string {
  return markup(
    <BarePage title={`${title} · Evenkeel`}>
      <h1 safe>{title}</h1>
      <p safe>{text}</p>
      <p>
        <a href="/">Back to the dashboard</a>
      </p>
    </BarePage>,
  );
}

/** The same for htmx: replaces only the notice, whatever the status. */
export function renderAccessDeniedFragment({ title, text }: RefusalProps): string {
  return markup(
    <tag of="hx-partial" {...{ "hx-target": "#notice", "hx-swap": "innerMorph" }}>
      <Notice notice={`${title}. ${text}`} />
    </tag>,
  );
}

function BarePage({ title, children }: { readonly title: string; readonly children: Children }): JSX.Element {
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
