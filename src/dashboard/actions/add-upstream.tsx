/** The form that adds an upstream to a pool, and its parser. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import { backTo, locationFields, type PageLocation, formLocation } from "../location.ts";
import { PostForm } from "../layout/forms.tsx";
import { maxReason, reasonIn } from "./action-form.ts";
import type { NewUpstreamInput } from "./command.ts";
import { PanelTitle, FormProblem, ReasonField } from "./confirmation.tsx";

export interface AddForm {
  readonly pool: string;
  /** This and the fields below are as typed: the admin API validates them. */
  readonly url: string;
  readonly name: string;
  readonly weight: string;
  readonly backup: boolean;
  readonly reason: string;
  readonly location: PageLocation;
}

/** The form field that names the pool. `pool` is the one of the charts. */
export const addToField = "add-to";

/** Returns undefined if no pool is named. */
export function parseAddForm(fields: URLSearchParams): AddForm | undefined {
  const pool = fields.get(addToField) ?? "";
  if (pool === "") return undefined;
  const typed = (name: string) => (fields.get(name) ?? "").trim().slice(0, maxReason);
  return {
    pool,
    url: typed("url"),
    name: typed("name"),
    weight: typed("weight"),
    backup: fields.get("backup") === "yes",
    reason: reasonIn(fields),
    location: formLocation(fields),
  };
}

/** Passes on a weight that is not a number unchanged, so that the admin API rejects it with a message. */
export function newUpstreamInput({ url, name, weight, backup }: AddForm): NewUpstreamInput {
  return {
    url,
    ...(name === "" ? {} : { name }),
    ...(weight === ""
      ? {}
      : { weight: /^\d+$/.test(weight) ? Number(weight) : (weight as unknown as number) }),
    ...(backup ? { backup } : {}),
  };
}

export interface AddPanelProps {
  readonly form: AddForm;
  readonly problem?: string;
  readonly inDialog: boolean;
}

export function AddPanel({ form, problem = "", inDialog }: AddPanelProps): JSX.Element {
  const { pool, url, name, weight, backup, reason, location } = form;
  return (
    <PostForm
      action="/actions/add"
      id="action"
      kind="action"
      {...(inDialog ? { target: "#panel" } : {})}
      fields={{ [addToField]: pool, ...locationFields(location) }}
    >
      <PanelTitle text={`Add upstream to ${pool}`} inDialog={inDialog} />
      <div id="effect" class="effect">
        <ul>
          <li>It is probed first and takes its share of the traffic when the probe passes.</li>
          <li>It survives a restart and is part of the export on the configuration page.</li>
        </ul>
      </div>
      <label class="field">
        <span>Address</span>
        <input
          type="text"
          inputmode="url"
          name="url"
          value={attribute(url)}
          placeholder="http://10.0.0.4:8080"
          autocomplete="off"
          spellcheck="false"
          required
          autofocus
        />
      </label>
      <div class="fields">
        <label class="field">
          <span>
            Name <span class="quiet">optional</span>
          </span>
          <input
            type="text"
            name="name"
            value={attribute(name)}
            placeholder="defaults to the address"
            autocomplete="off"
            spellcheck="false"
          />
        </label>
        <label class="field">
          <span>Weight</span>
          <input type="number" name="weight" min="0" max="256" step="1" value={attribute(weight || "1")} />
        </label>
      </div>
      <label class="check">
        <input type="checkbox" name="backup" value="yes" {...(backup ? { checked: true } : {})} /> Backup:
        serves only when no other upstream is available
      </label>
      <ReasonField reason={reason} required={false} isFirst={false} />
      <FormProblem text={problem} />
      <div class="buttons">
        <button type="submit" class="main">
          Add upstream
        </button>
        <a class="button" href={attribute(backTo(location))} data-close="panel">
          Cancel
        </a>
      </div>
    </PostForm>
  );
}
