/** The dry run: a request that is only thought of, where it would go, and why not elsewhere. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { markup, Shell } from "../layout/shell.tsx";
import { Glyph } from "../layout/widgets.tsx";
import { pageOf } from "../location.ts";
import { CsrfField } from "../login/placeholders.tsx";
import { CandidateTable, scoringOf } from "./decisions.tsx";
import { RequestWay } from "./list-page.tsx";
import { attribute } from "../responses.ts";
import type { DryRunResult } from "../../requests/dry-run.ts";
import type { DryRunRequest } from "../../requests/dry-run.ts";

/** What came of the form; undefined before it was sent. */
export type DryRunReply = AdminResult<DryRunResult> | { readonly problems: readonly string[] } | undefined;

export interface DryRunPageProps {
  readonly form: DryRunForm;
  readonly answer: DryRunReply;
}

export function renderDryRunPage({ form, answer: response }: DryRunPageProps): string {
  return markup(
    <Shell title="Dry run · Evenkeel" here="requests">
      <main class="dry-run">
        <RequestWay />
        <header class="plain-head">
          <h1>Dry run</h1>
          <p class="quiet">Where would this request go? Nothing is sent, and no turn is taken.</p>
        </header>
        <div class="dry-run-parts">
          <Form form={form} />
          <div id="dry-run-answer" role="status" aria-live="polite">
            <Answer answer={response} />
          </div>
        </div>
      </main>
    </Shell>,
  );
}

/** Into the page that asked; it names its target, so it is shown with any status. */
export function renderDryRunResult(response: DryRunReply): string {
  return markup(
    <tag of="hx-partial" {...{ "hx-target": "#dry-run-answer", "hx-swap": "innerMorph" }}>
      <Answer answer={response} />
    </tag>,
  );
}

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function Form({ form }: { readonly form: DryRunForm }): JSX.Element {
  const offered = methods.includes(form.method) ? methods : [...methods, form.method];
  return (
    <form
      class="card dry-run-form"
      method="post"
      action="/requests/dry-run"
      hx-post="/requests/dry-run"
      hx-swap="none"
      aria-label="A request that is only thought of"
    >
      <CsrfField />
      <label class="request-field">
        <span>Method</span>
        <select name="method">
          {offered.map((method) => (
            <option value={attribute(method)} {...(method === form.method ? { selected: true } : {})} safe>
              {method}
            </option>
          ))}
        </select>
      </label>
      <Line name="host" label="Host" value={form.host} hint="shop.example" isNeeded />
      <Line name="target" label="Target" value={form.target} hint="/cart?id=7" isNeeded />
      <Line name="clientAddress" label="Client address" value={form.clientAddress} hint="192.0.2.1" />
      <label class="request-field">
        <span>Header lines, if any</span>
        <textarea name="headers" rows="3" placeholder="cookie: session=…" spellcheck="false" safe>
          {form.headers}
        </textarea>
      </label>
      <div class="request-buttons">
        <button type="submit">Where would it go?</button>
      </div>
    </form>
  );
}

interface LineProps {
  readonly name: keyof DryRunForm;
  readonly label: string;
  readonly value: string;
  readonly hint: string;
  readonly isNeeded?: boolean;
}

function Line({ name, label, value, hint, isNeeded = false }: LineProps): JSX.Element {
  return (
    <label class="request-field">
      <span>{label}</span>
      <input
        type="text"
        name={name}
        value={attribute(value)}
        placeholder={hint}
        autocomplete="off"
        spellcheck="false"
        {...(isNeeded ? { required: true } : {})}
      />
    </label>
  );
}

function Answer({ answer: response }: { readonly answer: DryRunReply }): JSX.Element {
  if (response === undefined) {
    return (
      <p class="card empty">
        The answer comes here: the route, the pool, the key, the candidates with their scores, and why the
        others are out.
      </p>
    );
  }
  if ("value" in response) return <Destination run={response.value} />;
  const text =
    "problems" in response
      ? response.problems.map((problem) => `Cannot ask: ${problem}.`)
      : [errorText(response)];
  return (
    <section class="card dry-run-refused" data-tone="bad">
      {text.map((sentence) => (
        <p safe>{sentence}</p>
      ))}
    </section>
  );
}

function errorText({
  error: { reason, message },
}: Extract<AdminResult<unknown>, { error: unknown }>): string {
  if (reason === "missing" || reason === "not_understood") {
    return "This balancer knows no dry run: it is of an older version than this dashboard.";
  }
  return `Cannot tell: ${message}.`;
}

function Destination({ run }: { readonly run: DryRunResult }): JSX.Element {
  const { chosen, pool, policy, key, candidates, fit, others, out, refusal } = run;
  const scoring = scoringOf(policy ?? undefined, false);
  return (
    <section class="card destination" data-tone={chosen === null ? "bad" : "good"}>
      <h2 class="destination-head">
        <Glyph shape={chosen === null ? "cross" : "check"} />
        {chosen === null ? (
          <span safe>{`It would be refused: ${refusal ?? "nobody is fit"}`}</span>
        ) : (
          <span>
            It would go to{" "}
            <a href={attribute(pageOf(chosen))} safe>
              {chosen}
            </a>
          </span>
        )}
      </h2>
      <dl class="identity">
        <Fact name="Route" value={routeText(run)} />
        <Fact name="Pool" value={pool} />
        <Fact name="Policy" value={policy} />
        <Fact name="Key" value={key} />
      </dl>
      {candidates.length > 0 ? (
        <>
          <CandidateTable caption="Candidates" candidates={candidates} chosen={chosen} scoring={scoring} />
          <Unnamed count={fit - candidates.length} what="fit" />
          {scoring.text === "" ? (
            ""
          ) : (
            <p class="choice-words quiet" safe>
              {scoring.text}
            </p>
          )}
        </>
      ) : (
        ""
      )}
      {others.length > 0 ? (
        <>
          <h3>Out</h3>
          <dl class="identity">
            {others.map(({ upstream, why }) => (
              <Fact name={upstream} value={why} />
            ))}
          </dl>
          <Unnamed count={out - others.length} what="out" />
        </>
      ) : (
        ""
      )}
      <p class="choice-end quiet">
        Nothing was sent, and no turn was taken: the next real request may go elsewhere.
      </p>
    </section>
  );
}

/** A balancer of an older version names all that are out, and tells no numbers. */
function Unnamed({ count, what }: { readonly count: number; readonly what: string }): JSX.Element {
  return count > 0 ? <p class="choice-words quiet" safe>{`And ${count} more that are ${what}.`}</p> : "";
}

function Fact({ name, value }: { readonly name: string; readonly value: string | null }): JSX.Element {
  return (
    <div>
      <dt safe>{name}</dt>
      <dd class={value === null ? "quiet" : ""} safe>
        {value ?? "none"}
      </dd>
    </div>
  );
}

function routeText({ route }: DryRunResult): string | null {
  if (!route) return null;
  const parts = [
    ...(route.host === null ? [] : [`host ${route.host}`]),
    ...(route.path === null ? [] : [`path ${route.path}`]),
  ];
  return parts.length > 0 ? parts.join(", ") : "the one that takes everything";
}

// What somebody typed into the form of the dry run, and what of it cannot be asked.

export interface DryRunForm {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly clientAddress: string;
  /** Header lines as in a request. */
  readonly headers: string;
}

export const emptyForm: DryRunForm = {
  method: "GET",
  host: "",
  target: "/",
  clientAddress: "127.0.0.1",
  headers: "",
};

/** Characters; a longer target is refused by the balancer itself. */
const maxChars = 8_192;

export function formIn(given: URLSearchParams): DryRunForm {
  const text = (name: keyof DryRunForm) => (given.get(name) ?? emptyForm[name]).trim().slice(0, maxChars);
  return {
    method: text("method").toUpperCase(),
    host: text("host"),
    target: text("target"),
    clientAddress: text("clientAddress"),
    headers: text("headers"),
  };
}

export function askOf(
  form: DryRunForm,
): { readonly ask: DryRunRequest } | { readonly problems: readonly string[] } {
  const { method, host, target, clientAddress } = form;
  const problems: string[] = [];
  const headers: Record<string, string> = {};
  for (const line of form.headers.split(/\r?\n/)) {
    if (line.trim() === "") continue;
    const [, name = "", value = ""] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*)$/.exec(line) ?? [];
    const key = name.toLowerCase();
    if (key === "") problems.push(`a header line needs a name and a colon, received "${line.slice(0, 80)}"`);
    // RFC 9110 section 5.3; cookies are joined in their own way (RFC 6265 section 5.4).
    else if (Object.hasOwn(headers, key)) headers[key] += (key === "cookie" ? "; " : ", ") + value.trim();
    else headers[key] = value.trim();
  }
  if (host === "") problems.push("the host is missing");
  if (!target.startsWith("/")) problems.push(`the target begins with /, received "${target.slice(0, 80)}"`);
  if (method === "") problems.push("the method is missing");
  if (problems.length > 0) return { problems };
  return { ask: { method, host, target, clientAddress, headers } };
}
