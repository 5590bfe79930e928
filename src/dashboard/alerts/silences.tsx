/** The card of silences: what is silent until when and why, a button to end each, and a form for another one. */
/** @jsxImportSource @kitajs/html */

import type { AlertsSnapshot } from "../../alerts/alerts-snapshot.ts";
import { problemKinds } from "../../problems/problem.ts";
import { silencedText, silenceDetails } from "../../wording/alert-words.ts";
import { Choice, sameNamed, TextField } from "../layout/fields.tsx";
import { PostForm } from "../layout/forms.tsx";
import { attribute } from "../responses.ts";

/** As the form was sent. */
export interface SilenceForm {
  readonly kind: string;
  readonly pool: string;
  readonly upstream: string;
  readonly for: string;
  readonly reason: string;
}

export const emptySilence: SilenceForm = { kind: "", pool: "", upstream: "", for: "2h", reason: "" };

interface SilencesProps {
  /** Epoch milliseconds. */
  readonly now: number;
  readonly silences: AlertsSnapshot["silences"];
  readonly pools: readonly string[];
  readonly upstreams: readonly string[];
  readonly refused?: { readonly form: SilenceForm; readonly why: string } | undefined;
}

export function SilencesCard({ now, silences, pools, upstreams, refused }: SilencesProps): JSX.Element {
  return (
    <section class="card" aria-labelledby="silenced-name" id="silences">
      <header class="card-head">
        <h2 id="silenced-name">Silenced</h2>
        <p class="quiet">the list of problems still has them</p>
      </header>
      {silences.length === 0 ? <p class="empty">Nothing is silenced.</p> : ""}
      {silences.map((silence) => (
        <div class="silence">
          <p>
            <b safe>{silencedText(silence)}</b>
          </p>
          <p class="quiet" safe>
            {silenceDetails(silence, now)}
          </p>
          <PostForm action="/alerts/silences/end" fields={{ id: silence.id }}>
            <button type="submit" class="button" aria-label={attribute(`End now: ${silencedText(silence)}`)}>
              End now
            </button>
          </PostForm>
        </div>
      ))}
      <details class="new-silence" data-needs="operator" {...(refused ? { open: true } : {})}>
        <summary>Silence…</summary>
        {refused ? (
          <p class="refused" role="alert" safe>
            {refused.why}
          </p>
        ) : (
          ""
        )}
        <PostForm action="/alerts/silences" kind="silence-form">
          <SilenceFields form={refused?.form ?? emptySilence} pools={pools} upstreams={upstreams} />
          <p class="quiet hint">
            Problems that match all that is set are not sent. What is still open at the end is sent then.
          </p>
          <button type="submit" class="button">
            Silence
          </button>
        </PostForm>
      </details>
    </section>
  );
}

interface FieldsProps {
  readonly form: SilenceForm;
  readonly pools: readonly string[];
  readonly upstreams: readonly string[];
}

function SilenceFields({ form, pools, upstreams }: FieldsProps): JSX.Element {
  const kind = "field" as const;
  return (
    <div class="silence-fields">
      <TextField
        {...{ kind, name: "upstream", label: "Upstream", value: form.upstream, hint: "any" }}
        suggestions={upstreams}
      />
      <Choice {...{ kind, name: "pool", label: "Pool", value: form.pool }} choices={sameNamed(pools)} />
      <Choice
        {...{ kind, name: "kind", label: "Problem", value: form.kind }}
        choices={sameNamed(problemKinds)}
      />
      <TextField {...{ kind, name: "for", label: "For", value: form.for, hint: "2h" }} isRequired />
      <TextField
        {...{ kind, name: "reason", label: "Reason", value: form.reason, hint: "kernel update" }}
        isRequired
      />
    </div>
  );
}
