/** The effective configuration: every value, and who said so. */
/** @jsxImportSource @kitajs/html */

import type { Children } from "@kitajs/html";
import type { Setting } from "../../config/effective.ts";
import type { AdminResult } from "../admin-client.ts";
import { OverlayCard, type OverlayCardProps } from "./overrides-card.tsx";
import { ReloadCard, type ReloadCardProps } from "./reload-card.tsx";
import { markup, Shell } from "../layout/shell.tsx";
import { anchorOf } from "../responses.ts";

interface ConfigProps {
  readonly told: AdminResult<readonly Setting[]>;
  /** Without what is as it is by default. */
  readonly onlyChosen?: boolean;
  /** What stands between the heading and the values. */
  readonly children?: Children;
}

export function ConfigView({ told: result, onlyChosen = false, children }: ConfigProps): JSX.Element {
  const settings = "value" in result ? result.value : [];
  const chosen = settings.filter(({ source }) => source !== "default");
  return (
    <>
      <header class="plain-head">
        <h1>Configuration</h1>
        <p class="quiet">
          What counts, and where it comes from: a flag wins over the environment, that over the file, that
          over the default.
        </p>
      </header>
      {children}
      {"error" in result ? (
        <section class="pool empty">
          <p role="alert" safe>{`The configuration cannot be read: ${result.error.message}.`}</p>
        </section>
      ) : (
        <nav class="windows config-choice" aria-label="Which values">
          <Choice href="/config" text={`All ${settings.length} values`} isHere={!onlyChosen} />
          <Choice href="/config?only=set" text={`The ${chosen.length} that are set`} isHere={onlyChosen} />
        </nav>
      )}
      {groupsOf(onlyChosen ? chosen : settings).map((group) => (
        <GroupTable group={group} />
      ))}
    </>
  );
}

interface ChoiceProps {
  readonly href: string;
  readonly text: string;
  readonly isHere: boolean;
}

function Choice({ href, text, isHere }: ChoiceProps): JSX.Element {
  return (
    <a href={href} {...(isHere ? { "aria-current": "page" } : {})} safe>
      {text}
    </a>
  );
}

function GroupTable({ group: [group, members] }: { readonly group: Group }): JSX.Element {
  return (
    <section class="pool" id={anchorOf("group", group)} aria-labelledby={anchorOf("group-name", group)}>
      <header class="pool-head">
        <h2 id={anchorOf("group-name", group)} safe>
          {group}
        </h2>
      </header>
      <table class="settings">
        <thead class="unseen">
          <tr>
            <th scope="col">Setting</th>
            <th scope="col">Value</th>
            <th scope="col">Source</th>
          </tr>
        </thead>
        <tbody>
          {members.map(({ name, value, source }) => (
            <tr data-chosen={source === "default" ? "no" : "yes"}>
              <th scope="row" safe>
                {name.startsWith(`${group}.`) ? name.slice(group.length + 1) : name}
              </th>
              <td>
                <code safe>{value}</code>
              </td>
              <td class="source" safe>
                {source}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

type Group = readonly [name: string, members: readonly Setting[]];

/** What stands alone comes first. "pools.main.probe.rise" belongs to "pools.main", "listen.port" to "listen", "engine" to what stands alone. */
function groupsOf(settings: readonly Setting[]): readonly Group[] {
  const groups = new Map<string, Setting[]>([[general, []]]);
  for (const options of settings) {
    const keys = options.name.replace(/\[.*$/, "").split(".");
    const name =
      keys[0] === "pools" ? keys.slice(0, 2).join(".") : keys.length > 1 ? (keys[0] ?? "") : general;
    const members = groups.get(name);
    if (members) members.push(options);
    else groups.set(name, [options]);
  }
  return [...groups].filter(([, members]) => members.length > 0);
}

const general = "general";

// The configuration page as a document, and the part of it that a reload replaces.

export interface ConfigPageProps extends Pick<OverlayCardProps, "intents" | "exported"> {
  readonly told: AdminResult<readonly Setting[]>;
  readonly onlyChosen?: boolean;
  readonly reload: ReloadCardProps;
}

export function renderConfigPage({
  told: result,
  onlyChosen = false,
  intents,
  exported,
  reload,
}: ConfigPageProps): string {
  return markup(
    <Shell title="Configuration · Evenkeel" here="config">
      <main>
        <ConfigView told={result} onlyChosen={onlyChosen}>
          <div class="cards">
            <section class="card" id="reload" aria-labelledby="reload-name">
              <ReloadCard {...reload} />
            </section>
            <OverlayCard intents={intents} exported={exported} now={reload.now} />
          </div>
        </ConfigView>
      </main>
    </Shell>,
  );
}

/** Inside of the card. */
export function renderReload(reload: ReloadCardProps): string {
  return markup(<ReloadCard {...reload} />);
}
