/** The dry run page: a form for a hypothetical request, and where the balancer would send it. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { Choice, methodChoices, sameNamed, TextField } from "../layout/fields.tsx";
import { markup, Shell } from "../layout/shell.tsx";
import { Glyph, toneShapes } from "../layout/widgets.tsx";
import { pageOf } from "../location.ts";
import { CsrfField } from "../login/placeholders.tsx";
import { CandidateTable, scoringOf } from "./decisions.tsx";
import { RequestNavigation } from "./list-page.tsx";
import { attribute } from "../responses.ts";
import { adminApiErrorSentence } from "../../wording/verdict.ts";
import { splitCause } from "../../wording/request-outcome.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { DryRunResult, DryRunInput, OtherRoute } from "../../requests/dry-run.ts";

/** The result of the form; undefined before it is sent. */
export type DryRunReply = AdminResult<DryRunResult> | { readonly problems: readonly string[] } | undefined;

export interface DryRunPageProps {
  /** Undefined before the first successful read. */
  readonly snapshot?: Snapshot | undefined;
  readonly form: DryRunForm;
  readonly reply: DryRunReply;
}

export function renderDryRunPage({ form, reply, snapshot }: DryRunPageProps): string {
  return markup(
    <Shell title="Dry run · Evenkeel" here="requests" snapshot={snapshot}>
      <main class="dry-run">
        <RequestNavigation />
        <header class="plain-head">
          <h1>Dry run</h1>
          <p class="quiet">
            Shows where a request would go. Nothing is sent, and the state of the policy does not change.
          </p>
        </header>
        <div class="dry-run-parts">
          <DryRunFields form={form} />
          <div id="dry-run-result" role="status" aria-live="polite">
            <ReplyCard reply={reply} />
          </div>
        </div>
      </main>
    </Shell>,
  );
}

/** The result for htmx. It names its target, so htmx swaps it in whatever the status. */
export function renderDryRunResult(reply: DryRunReply): string {
  return markup(
    <tag of="hx-partial" {...{ "hx-target": "#dry-run-result", "hx-swap": "innerMorph" }}>
      <ReplyCard reply={reply} />
    </tag>,
  );
}

function DryRunFields({ form }: { readonly form: DryRunForm }): JSX.Element {
  const field = (name: keyof DryRunForm) => ({ kind: "request-field", name, value: form[name] }) as const;
  return (
    <form
      class="card dry-run-form"
      method="post"
      action="/requests/dry-run"
      hx-post="/requests/dry-run"
      hx-swap="none"
      aria-label="Request for the dry run"
    >
      <CsrfField />
      <Choice {...field("method")} label="Method" choices={sameNamed(methodChoices)} isRequired />
      <TextField {...field("host")} label="Host" hint="shop.example" isRequired />
      <TextField {...field("target")} label="Target" hint="/cart?id=7" isRequired />
      <TextField {...field("clientAddress")} label="Client address" hint="192.0.2.1" />
      <TextField {...field("listener")} label="Listener" hint="The first one" />
      <Choice {...field("scheme")} label="Protocol" choices={sameNamed(schemes)} />
      <label class="request-field">
        <span>Headers (optional)</span>
        <textarea name="headers" rows="3" placeholder="cookie: session=…" spellcheck="false" safe>
          {form.headers}
        </textarea>
      </label>
      <div class="request-buttons">
        <button type="submit">Start dry run</button>
      </div>
    </form>
  );
}

const schemes = ["http", "https"] as const;

function ReplyCard({ reply }: { readonly reply: DryRunReply }): JSX.Element {
  if (reply === undefined) {
    return (
      <p class="card empty">
        The result appears here: route, pool, key, candidates with their scores, and why the others are
        unavailable.
      </p>
    );
  }
  if ("value" in reply) return <Destination run={reply.value} />;
  const text =
    "problems" in reply
      ? reply.problems.map((problem) => `Cannot start the dry run: ${problem}.`)
      : [errorText(reply)];
  return (
    <section class="card dry-run-refused" data-tone="bad">
      {text.map((sentence) => (
        <p safe>{sentence}</p>
      ))}
    </section>
  );
}

function errorText({ error }: Extract<AdminResult<unknown>, { error: unknown }>): string {
  if (error.reason === "missing" || error.reason === "not_understood") {
    return "This balancer does not support dry runs: it is older than this dashboard.";
  }
  return adminApiErrorSentence(error);
}

function Destination({ run }: { readonly run: DryRunResult }): JSX.Element {
  const { chosen, split, pool, policy, key, candidates, fit, others, out, refusal } = run;
  const scoring = scoringOf(policy ?? undefined, false);
  const answer = answerText(run);
  const isServed = answer !== undefined || chosen !== null;
  const tone = refusal !== null ? "bad" : isServed ? "good" : "warn";
  return (
    <section class="card destination" data-tone={tone}>
      <h2 class="destination-head">
        <Glyph shape={toneShapes[tone]} />
        {answer !== undefined || chosen === null ? (
          <span safe>
            {answer ??
              (refusal === null
                ? "It would wait in the queue"
                : `It would be refused: ${refusal}${run.complaint ? `, ${run.complaint}` : ""}`)}
          </span>
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
        {run.matchedPath ? <Fact name="Matched path" value={run.matchedPath} /> : ""}
        {run.readings.map(({ path, route }) => (
          <Fact name={`Read as ${path}`} value={route} />
        ))}
        <Fact name="Split" value={split && splitCause(split.by, split.point)} />
        <Fact name="Pool" value={pool} />
        <Fact name="Policy" value={policy} />
        <Fact name="Key" value={key} />
      </dl>
      <RouteList title="Also matching" routes={run.over} />
      <RouteList title="Not matching" routes={run.not} />
      {run.filters.length > 0 ? (
        <>
          <h3>Filters</h3>
          <dl class="identity">
            {run.filters.map(({ name, verdict, why }) => (
              <Fact name={name} value={`${verdict}: ${why}`} />
            ))}
          </dl>
        </>
      ) : (
        ""
      )}
      {candidates.length > 0 ? (
        <>
          <CandidateTable caption="Candidates" candidates={candidates} chosen={chosen} scoring={scoring} />
          <OmittedCount count={fit - candidates.length} what="available" />
          {scoring.text === "" ? (
            ""
          ) : (
            <p class="choice-note quiet" safe>
              {scoring.text}
            </p>
          )}
        </>
      ) : (
        ""
      )}
      {others.length > 0 ? (
        <>
          <h3>Unavailable</h3>
          <dl class="identity">
            {others.map(({ upstream, why }) => (
              <Fact name={upstream} value={why} />
            ))}
          </dl>
          <OmittedCount count={out - others.length} what="unavailable" />
        </>
      ) : (
        ""
      )}
      <p class="choice-end quiet">
        Nothing was sent and the state of the policy did not change. The next real request may go to another
        upstream.
      </p>
    </section>
  );
}

/** For a request that a filter answers, or the route itself: it has no pool then, and no refusal. */
function answerText({ route, pool, refusal, answeredBy }: DryRunResult): string | undefined {
  if (answeredBy !== null)
    return `The filter ${answeredBy} would ${refusal === null ? "answer it" : `refuse it: ${refusal}`}`;
  const isAnswered = route !== null && pool === null && refusal === null;
  return isAnswered ? "Its route would answer it without an upstream" : undefined;
}

function RouteList({
  title,
  routes,
}: {
  readonly title: string;
  readonly routes: readonly OtherRoute[];
}): JSX.Element {
  if (routes.length === 0) return "";
  return (
    <>
      <h3 safe>{title}</h3>
      <dl class="identity">
        {routes.map(({ route, why }) => (
          <Fact name={route} value={why} />
        ))}
      </dl>
    </>
  );
}

/** Nothing for an older balancer, which sends no counts and lists all unavailable upstreams. */
function OmittedCount({ count, what }: { readonly count: number; readonly what: string }): JSX.Element {
  return count > 0 ? <p class="choice-note quiet" safe>{`And ${count} more ${what}.`}</p> : "";
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
  const conditions = parts.length > 0 ? parts.join(", ") : "every host and path";
  const title = [route.name, route.place].filter(Boolean).join(", ");
  return title === "" ? conditions : `${title}: ${conditions}`;
}

/** The form's values as typed. */
export interface DryRunForm {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly clientAddress: string;
  /** Empty for the first one. */
  readonly listener: string;
  /** Empty for that of the listener. */
  readonly scheme: string;
  /** One header per line, as in an HTTP/1 request. */
  readonly headers: string;
}

export const emptyForm: DryRunForm = {
  method: "GET",
  host: "",
  target: "/",
  clientAddress: "127.0.0.1",
  listener: "",
  scheme: "",
  headers: "",
};

/** Characters of one value; the balancer refuses a longer target in any case. */
const maxChars = 8_192;

export function parseDryRunForm(fields: URLSearchParams): DryRunForm {
  const text = (name: keyof DryRunForm) => (fields.get(name) ?? emptyForm[name]).trim().slice(0, maxChars);
  return {
    method: text("method").toUpperCase(),
    host: text("host"),
    target: text("target"),
    clientAddress: text("clientAddress"),
    listener: text("listener"),
    scheme: text("scheme"),
    headers: text("headers"),
  };
}

/** Validates the form. Lists all problems at once, as clauses without a full stop. */
export function dryRunRequestOf(
  form: DryRunForm,
): { readonly request: DryRunInput } | { readonly problems: readonly string[] } {
  const { method, host, target, clientAddress, listener, scheme } = form;
  const problems: string[] = [];
  const headers: Record<string, string> = {};
  for (const line of form.headers.split(/\r?\n/)) {
    if (line.trim() === "") continue;
    const [, name = "", value = ""] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*)$/.exec(line) ?? [];
    const key = name.toLowerCase();
    if (key === "") problems.push(`a header line must be "Name: value" (received "${line.slice(0, 80)}")`);
    // RFC 9110 section 5.3; cookies are joined in their own way (RFC 6265 section 5.4).
    else if (Object.hasOwn(headers, key)) headers[key] += (key === "cookie" ? "; " : ", ") + value.trim();
    else headers[key] = value.trim();
  }
  if (host === "") problems.push("the host is missing");
  if (!target.startsWith("/"))
    problems.push(`the target must begin with / (received "${target.slice(0, 80)}")`);
  if (method === "") problems.push("the method is missing");
  if (problems.length > 0) return { problems };
  const given = schemes.find((known) => known === scheme);
  const entry = { ...(listener !== "" && { listener }), ...(given && { scheme: given }) };
  const request: DryRunInput = { method, host, target, clientAddress, ...entry, headers };
  return { request };
}
