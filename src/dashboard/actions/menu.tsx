/** The operator's controls for one upstream on its page, and the link that adds one: they lead to the confirmation. */
/** @jsxImportSource @kitajs/html */

import { addToField } from "./add-upstream.tsx";
import { type Action } from "../../wording/effect.ts";
import { verbOf } from "./command.ts";
import { HiddenFields } from "../layout/forms.tsx";
import { locationFields, type PageLocation } from "../location.ts";
import { anchorOf, attribute } from "../responses.ts";
import { type Mode, modes } from "../../pool/upstream.ts";
import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";

interface RowActionsProps {
  readonly upstream: UpstreamSnapshot;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  readonly location: PageLocation;
}

/** Attributes of a form that leads to the confirmation: a page, or with htmx a dialog over this page. */
export const panelForm = {
  method: "get",
  action: "/actions",
  "hx-get": "/actions",
  "hx-target": "#panel",
  "hx-swap": "innerHTML",
} as const;

export const modeActions: Readonly<Record<Mode, Action>> = {
  ready: "ready",
  draining: "drain",
  maintenance: "maintenance",
};

export function RowActions({ upstream, now, location }: RowActionsProps): JSX.Element {
  const { id, mode, drain } = upstream;
  const form = anchorOf("form", id);
  const fields = { upstream: id, ...locationFields(location) };
  const isLeaving = drain?.leaving === true;
  return (
    <div class="row-actions" data-needs="operator">
      <form {...panelForm} id={form}>
        <HiddenFields fields={fields} />
        <span class="modes" role="group" aria-label={attribute(`Mode of ${id}`)}>
          {modes.map((choice) => (
            <button
              type="submit"
              name="act"
              value={modeActions[choice]}
              id={anchorOf(choice, id)}
              aria-pressed={choice === mode ? "true" : "false"}
              aria-label={attribute(`${verbOf(modeActions[choice])} ${id}`)}
              {...(isLeaving ? { disabled: true } : {})}
            >
              {verbOf(modeActions[choice])}
            </button>
          ))}
        </span>
      </form>
      <div class="row-more">
        <WeightForm upstream={upstream} location={location} />
        {isLate(upstream, now) && !isLeaving ? (
          <button
            type="submit"
            class="word dire"
            form={form}
            name="act"
            value="cut"
            id={anchorOf("cut", id)}
            aria-label={attribute(`Abort remaining requests on ${id}`)}
          >
            Abort
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

type WeightProps = Pick<RowActionsProps, "upstream" | "location">;

export function WeightForm({ upstream, location }: WeightProps): JSX.Element {
  const { id, weight, weightSet, drain } = upstream;
  return (
    <form {...panelForm} class="weight-form" id={anchorOf("weight", id)}>
      <HiddenFields fields={{ act: "weight", upstream: id, ...locationFields(location) }} />
      <label>
        Weight{" "}
        <input
          type="number"
          name="weight"
          id={anchorOf("weight-of", id)}
          min="0"
          max="256"
          step="1"
          value={attribute(String(weight))}
          aria-label={attribute(`Weight of ${id}`)}
          {...(drain?.leaving ? { disabled: true } : {})}
        />
      </label>
      <button type="submit" class="set" aria-label={attribute(`Set weight of ${id}`)}>
        Set
      </button>
      {weightSet ? (
        <span class="mark" title={attribute(`Weight set by ${weightSet.by}. ${weightSet.why}`.trim())} safe>
          {`by ${weightSet.by}`}
        </span>
      ) : (
        ""
      )}
    </form>
  );
}

/** Whether the drain deadline has passed while requests are still in flight. */
export function isLate({ drain }: UpstreamSnapshot, now: number): boolean {
  return (
    drain !== null && drain !== undefined && !drain.drained && drain.deadline !== null && now > drain.deadline
  );
}

interface AddLinkProps {
  readonly pool: string;
  readonly location: PageLocation;
  /** A page may have one in the bar of the table and one in the menu of the pool. */
  readonly place: "bar" | "menu";
}

/** Leads to the form that adds an upstream. */
export function AddLink({ pool, location, place }: AddLinkProps): JSX.Element {
  const fields = { [addToField]: pool, ...locationFields(location) };
  const address = attribute(`/actions/add?${new URLSearchParams(fields)}`);
  return (
    <a
      class="button add"
      data-needs="operator"
      id={anchorOf(`${place}-add`, pool)}
      href={address}
      hx-get={address}
      hx-target="#panel"
      hx-swap="innerHTML"
      aria-label={attribute(`Add upstream to ${pool}`)}
    >
      {place === "bar" ? "Add" : "Add upstream"}
    </a>
  );
}
