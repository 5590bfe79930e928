/** What can be done to one upstream, where it is shown: plain forms that lead to the confirmation. */
/** @jsxImportSource @kitajs/html */

import { type Mode, modes } from "../../pool/upstream.ts";
import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { anchorOf, attribute } from "../escape.ts";
import { locationFields, type PageLocation } from "../location.ts";
import { HiddenFields } from "../layout/forms.tsx";
import type { Action } from "./action-form.ts";
import { verbOf } from "./words.ts";

interface RowActionsProps {
  readonly upstream: UpstreamSnapshot;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  readonly place: PageLocation;
}

/** Leads to the confirmation: as a page, or with htmx as a dialog over this one. */
export const intoPanel = {
  method: "get",
  action: "/actions",
  "hx-get": "/actions",
  "hx-target": "#panel",
  "hx-swap": "innerHTML",
} as const;

const acts: Readonly<Record<Mode, Action>> = {
  ready: "ready",
  draining: "drain",
  maintenance: "maintenance",
};

export function RowActions({ upstream, now, place: location }: RowActionsProps): JSX.Element {
  const { id, mode, drain, weightSet } = upstream;
  const form = anchorOf("form", id);
  const fields = { upstream: id, ...locationFields(location) };
  const isLeaving = drain?.leaving === true;
  return (
    <div class="row-actions" data-needs="operator">
      <form {...intoPanel} id={form}>
        <HiddenFields fields={fields} />
        <span class="modes" role="group" aria-label={attribute(`Mode of ${id}`)}>
          {modes.map((choice) => (
            <button
              type="submit"
              name="act"
              value={acts[choice]}
              id={anchorOf(choice, id)}
              aria-pressed={choice === mode ? "true" : "false"}
              aria-label={attribute(`${verbOf(acts[choice])} ${id}`)}
              {...(isLeaving ? { disabled: true } : {})}
            >
              {verbOf(acts[choice])}
            </button>
          ))}
        </span>
      </form>
      <div class="row-more">
        <form {...intoPanel} class="weight-form" id={anchorOf("weight", id)}>
          <HiddenFields fields={{ act: "weight", ...fields }} />
          <label>
            Weight{" "}
            <input
              type="number"
              name="weight"
              id={anchorOf("weight-of", id)}
              min="0"
              max="256"
              step="1"
              value={attribute(String(upstream.weight))}
              aria-label={attribute(`Weight of ${id}`)}
              {...(isLeaving ? { disabled: true } : {})}
            />
          </label>
          <button type="submit" class="set" aria-label={attribute(`Set the weight of ${id}`)}>
            Set
          </button>
          {weightSet ? (
            <span
              class="mark"
              title={attribute(`Weight set by ${weightSet.by}. ${weightSet.why}`.trim())}
              safe
            >
              {`by ${weightSet.by}`}
            </span>
          ) : (
            ""
          )}
        </form>
        {isLate(upstream, now) && !isLeaving ? (
          <button
            type="submit"
            class="word dire"
            form={form}
            name="act"
            value="cut"
            id={anchorOf("cut", id)}
            aria-label={attribute(`Cut what is left on ${id}`)}
          >
            Cut
          </button>
        ) : (
          ""
        )}
        <button
          type="submit"
          class="word"
          form={form}
          name="act"
          value="remove"
          id={anchorOf("remove", id)}
          aria-label={attribute(`Remove ${id}`)}
          {...(isLeaving ? { disabled: true } : {})}
        >
          Remove
        </button>
      </div>
    </div>
  );
}

/** Its time is up, and something is still under way. */
export function isLate({ drain }: UpstreamSnapshot, now: number): boolean {
  return (
    drain !== null && drain !== undefined && !drain.drained && drain.deadline !== null && now > drain.deadline
  );
}
