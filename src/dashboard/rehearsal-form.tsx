/** The form that plays a fault on one upstream: real without a script, which only makes it quicker. */
/** @jsxImportSource @kitajs/html */

import { maxFaultLatencyMs, maxFaultMs, injectedErrors, defaultFaultMs } from "../fault/fault.ts";
import { anchorOf } from "./escape.ts";
import { PostForm } from "./layout/forms.tsx";

interface FormProps {
  readonly id: string;
}

/** Morphing leaves it alone: what somebody types must outlive the next picture. */
export function FaultForm({ id }: FormProps): JSX.Element {
  const action = `/upstreams/${encodeURIComponent(id)}/rehearsal`;
  return (
    <section
      class="card rehearsal"
      id={anchorOf("rehearsal", id)}
      hx-morph-skip
      aria-labelledby="rehearsal-name"
    >
      <header class="card-head">
        <h2 id="rehearsal-name">Rehearse a fault</h2>
        <p class="quiet">ends by itself</p>
      </header>
      <PostForm kind="rehearsal-fields" action={action} target="#done">
        <label>
          Latency added, ms
          <input type="number" name="latencyMs" min="0" max={String(maxFaultLatencyMs)} step="1" value="0" />
        </label>
        <label>
          Requests that fail, %
          <input type="number" name="errorPercent" min="0" max="100" step="any" value="30" />
        </label>
        <label>
          How they fail
          <select name="error">
            {injectedErrors.map((error) => (
              <option value={error}>{error}</option>
            ))}
          </select>
        </label>
        <label>
          For, seconds
          <input
            type="number"
            name="seconds"
            min="1"
            max={String(maxFaultMs / 1_000)}
            step="1"
            required
            value={String(defaultFaultMs / 1_000)}
          />
        </label>
        <label class="rehearsal-reason">
          Reason, for the record
          <input type="text" name="reason" maxlength="200" autocomplete="off" />
        </label>
        <label class="rehearsal-check">
          <input type="checkbox" name="probes" value="yes" />
          <span>Probes fail too</span>
        </label>
        <label class="rehearsal-check">
          <input type="checkbox" name="confirmed" value="yes" required />
          <span>
            This is live traffic: retries hide failures from clients unless the budget is spent; added latency
            they feel until the upstream is suspected.
          </span>
        </label>
        <button type="submit" class="rehearsal-button">
          Begin the rehearsal
        </button>
      </PostForm>
    </section>
  );
}

/** Where the form is in the page already. */
export function FaultFormStub({ id }: FormProps): JSX.Element {
  return <section id={anchorOf("rehearsal", id)} hx-morph-skip></section>;
}
