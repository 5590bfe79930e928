/** The configuration page: every effective value and its source, the reload card and the overrides. */
/** @jsxImportSource @kitajs/html */

import type { Children } from "@kitajs/html";
import type { Setting } from "../../config/effective.ts";
import type { AdminResult } from "../admin-client.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { OverridesCard, type OverridesCardProps } from "./overrides-card.tsx";
import { ReloadCard, type ReloadCardProps } from "./reload-card.tsx";
import { markup, Shell } from "../layout/shell.tsx";
import { anchorOf } from "../responses.ts";
import { adminApiErrorSentence } from "../../wording/verdict.ts";

interface ConfigProps {
  readonly settings: AdminResult<readonly Setting[]>;
  /** Hides values that have their default. */
  readonly onlySet?: boolean;
  /** Shown between the heading and the values. */
  readonly children?: Children;
}

export function ConfigView({ settings: result, onlySet = false, children }: ConfigProps): JSX.Element {
  const settings = "value" in result ? result.value : [];
  const explicit = settings.filter(({ source }) => source !== "default");
  return (
    <>
      <header class="plain-head">
        <h1>Configuration</h1>
        <p class="quiet">
          Effective values and their sources. A flag overrides the environment, the environment the file, and
          the file the default.
        </p>
      </header>
      {children}
      {"error" in result ? (
        <section class="pool empty">
          <p role="alert" safe>{`Cannot read the configuration. ${adminApiErrorSentence(result.error)}`}</p>
        </section>
      ) : (
        <nav class="windows config-choice" aria-label="Values shown">
          <Choice href="/config" text={`All ${settings.length} values`} isHere={!onlySet} />
          <Choice href="/config?only=set" text={`${explicit.length} set explicitly`} isHere={onlySet} />
        </nav>
      )}
      {groupsOf(onlySet ? explicit : settings).map((group) => (
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

function GroupTable({ group: [group, settings] }: { readonly group: Group }): JSX.Element {
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
          {settings.map(({ name, value, source }) => (
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

/** "pools.main.probe.rise" belongs to "pools.main", "listen.port" to "listen", "engine" to "general", which comes first. */
function groupsOf(settings: readonly Setting[]): readonly Group[] {
  const groups = new Map<string, Setting[]>([[general, []]]);
  for (const setting of settings) {
    const keys = setting.name.replace(/\[.*$/, "").split(".");
    const name =
      keys[0] === "pools" ? keys.slice(0, 2).join(".") : keys.length > 1 ? (keys[0] ?? "") : general;
    const members = groups.get(name);
    if (members) members.push(setting);
    else groups.set(name, [setting]);
  }
  return [...groups].filter(([, members]) => members.length > 0);
}

const general = "general";

export interface ConfigPageProps extends Pick<OverridesCardProps, "intents" | "exported"> {
  readonly settings: AdminResult<readonly Setting[]>;
  readonly onlySet?: boolean;
  /** Undefined before the first successful read. */
  readonly snapshot?: Snapshot | undefined;
  readonly reload: ReloadCardProps;
}

export function renderConfigPage({
  settings,
  onlySet = false,
  snapshot,
  intents,
  exported,
  reload,
}: ConfigPageProps): string {
  return markup(
    <Shell title="Configuration · Evenkeel" here="config" snapshot={snapshot}>
      <main>
        <ConfigView settings={settings} onlySet={onlySet}>
          <div class="cards">
            <section class="card" id="reload" aria-labelledby="reload-name">
              <ReloadCard {...reload} />
            </section>
            <OverridesCard intents={intents} exported={exported} now={reload.now} />
          </div>
        </ConfigView>
      </main>
    </Shell>,
  );
}

/** The content of the reload card, which a preview or a reload replaces. */
export function renderReload(reload: ReloadCardProps): string {
  return markup(<ReloadCard {...reload} />);
}
