/** A new upstream for a pool: what it is asked for, and the form that asks. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import { backTo, locationFields, type PageLocation, formLocation } from "../location.ts";
import { PostForm } from "../layout/forms.tsx";
import { maxReason, reasonIn } from "./action-form.ts";
import type { NewUpstreamInput } from "./command.ts";
import { PanelTitle, FormProblem, ReasonField } from "./confirmation.tsx";

export interface Adding {
  readonly pool: string;
  /** As they were typed: what is wrong with them is for the admin API to say. */
  readonly url: string;
  readonly name: string;
  readonly weight: string;
  readonly backup: boolean;
  readonly reason: string;
  readonly location: PageLocation;
}

/** Undefined if no pool is named. */
export function addingOf(fields: URLSearchParams): Adding | undefined {
  const pool = fields.get("pool") ?? "";
  if (pool === "") return undefined;
  const typed = (name: string) => (fields.get(name) ?? "").trim().slice(0, maxReason);
  return {
    ...{ pool, url: typed("url"), name: typed("name"), weight: typed("weight") },
    backup: fields.get("backup") === "yes",
    reason: reasonIn(fields),
    location: formLocation(fields),
  };
}

/** A weight that is no number goes on as it is, to be refused with a sentence. */
export function newUpstreamOf({ url, name, weight, backup }: Adding): NewUpstreamInput {
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
  readonly adding: Adding;
  readonly problem?: string;
  readonly inDialog: boolean;
}

export function AddPanel({ adding, problem = "", inDialog }: AddPanelProps): JSX.Element {
  const { pool, url, name, weight, backup, reason, location } = adding;
  return (
    <PostForm
      action="/actions/add"
      id="action"
      kind="action"
      {...(inDialog ? { target: "#panel" } : {})}
      fields={{ pool, ...locationFields(location) }}
    >
      <PanelTitle text={`Add an upstream to ${pool}`} inDialog={inDialog} />
      <div id="effect" class="effect">
        <ul>
          <li>It is probed first, and gets its share as soon as it passes.</li>
          <li>It stays after a restart; the export of the configuration page has it.</li>
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
            placeholder="its address"
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
        serves only when no other is fit
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
