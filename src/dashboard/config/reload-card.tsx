/** The reload card: previews what a reload would change, applies it, and shows the last rejected configuration. */
/** @jsxImportSource @kitajs/html */

import { createHash } from "node:crypto";
import type { ConfigurationSnapshot } from "../../snapshot/snapshot.ts";
import type { AdminResult } from "../admin-client.ts";
import type { ReloadView } from "../../client/decoders.ts";
import { Glyph } from "../layout/widgets.tsx";
import { joinList } from "../../lib/list-text.ts";
import { formatAgo, formatTime, isoTime } from "../../wording/format.ts";
import { adminApiErrorSentence } from "../../wording/verdict.ts";
import { PostForm } from "../layout/forms.tsx";

/** The last operation of this card. */
export interface ReloadPreview {
  readonly kind: "dry" | "apply";
  readonly result: AdminResult<ReloadView>;
  /** The file has changed since the preview, so nothing was applied. */
  readonly isStale?: boolean;
}

export interface ReloadCardProps {
  /** Undefined while the admin API is unreachable. */
  readonly configuration: ConfigurationSnapshot | undefined;
  readonly now: number;
  readonly preview?: ReloadPreview | undefined;
}

/** Identifies a plan: only the plan that was previewed is applied. */
export function diffFingerprint({ diff }: ReloadView): string {
  return createHash("sha256").update(diff.join("\n")).digest("hex").slice(0, 16);
}

/** The content of the card; the responses to its forms replace it. */
export function ReloadCard({ configuration, now, preview }: ReloadCardProps): JSX.Element {
  const plan = preview && "value" in preview.result ? preview.result.value : undefined;
  const canApply = preview?.kind === "dry" && plan !== undefined && plan.diff.length > 0;
  return (
    <>
      <header class="card-head">
        <h2 id="reload-name">Reload</h2>
        <p class="quiet">
          {configuration ? (
            <>
              loaded at{" "}
              <time datetime={isoTime(configuration.takenAt)} safe>
                {formatTime(configuration.takenAt)}
              </time>
              <span safe>{`, ${formatAgo(now - configuration.takenAt)}`}</span>
            </>
          ) : (
            ""
          )}
        </p>
      </header>
      {configuration?.refused && preview === undefined ? (
        <RejectedConfiguration refused={configuration.refused} now={now} />
      ) : (
        ""
      )}
      {configuration && configuration.needsRestart.length > 0 ? (
        <p class="remark" data-tone="warn" safe>
          {`${joinList(configuration.needsRestart)} ${configuration.needsRestart.length === 1 ? "needs" : "need"} a restart.`}
        </p>
      ) : (
        ""
      )}
      <div id="reload-result" role="status">
        {preview ? (
          <Result preview={preview} />
        ) : (
          <p class="remark quiet">
            Reloads the configuration with the same flags. Health, counters and connections are preserved.
          </p>
        )}
      </div>
      <p class="remark quiet" data-lacks="admin">
        Only an admin can reload the configuration.
      </p>
      <div class="buttons">
        {canApply ? (
          <PostForm
            action="/config/apply"
            target="#reload"
            needs="admin"
            fields={{ seen: diffFingerprint(plan) }}
          >
            <button type="submit" class="main" safe>
              {plan.diff.length === 1 ? "Apply 1 change" : `Apply ${plan.diff.length} changes`}
            </button>
          </PostForm>
        ) : (
          ""
        )}
        <PostForm action="/config/preview" target="#reload" needs="admin">
          <button type="submit" class={canApply ? "" : "main"}>
            {canApply ? "Preview again" : "Preview changes"}
          </button>
        </PostForm>
      </div>
    </>
  );
}

function RejectedConfiguration({
  refused: { at, by, problems },
  now,
}: {
  readonly refused: NonNullable<ConfigurationSnapshot["refused"]>;
  readonly now: number;
}): JSX.Element {
  return (
    <div class="danger" data-tone="bad">
      <Glyph shape="cross" />
      <div>
        <p
          safe
        >{`Rejected ${formatAgo(now - at)}, requested by ${by}; keeping the current configuration.`}</p>
        <Problems problems={problems} />
      </div>
    </div>
  );
}

function Problems({ problems }: { readonly problems: readonly string[] }): JSX.Element {
  return (
    <ul class="problems">
      {problems.map((problem) => (
        <li>
          <code safe>{problem}</code>
        </li>
      ))}
    </ul>
  );
}

function Result({ preview: { kind, result, isStale } }: { readonly preview: ReloadPreview }): JSX.Element {
  if ("error" in result) {
    return (
      <div class="danger" data-tone="bad">
        <Glyph shape="cross" />
        <div>
          <p safe>{adminApiErrorSentence(result.error)}</p>
          <Problems problems={result.error.problems ?? []} />
        </div>
      </div>
    );
  }
  const { diff, applied, needsRestart, notes } = result.value;
  if (diff.length === 0) return <p class="remark">The configuration has not changed.</p>;
  const text = isStale
    ? "Nothing was applied: the file has changed since the preview. A reload would now change:"
    : kind === "dry"
      ? "Would change:"
      : applied
        ? "Changes applied:"
        : "Nothing was applied: a restart is required.";
  return (
    <>
      <p class="remark" {...(isStale ? { "data-tone": "warn" } : {})} safe>
        {text}
      </p>
      <ul class="diff">
        {diff.map((line) => (
          <li data-sign={changeKind(line)}>
            <code safe>{line}</code>
          </li>
        ))}
      </ul>
      {needsRestart.length > 0 && kind === "dry" ? (
        <p class="remark" data-tone="warn" safe>
          {`${joinList(needsRestart)} ${needsRestart.length === 1 ? "needs" : "need"} a restart; all other changes apply immediately.`}
        </p>
      ) : (
        ""
      )}
      {notes.map((note) => (
        <p class="remark" safe>
          {`Note: ${note}.`}
        </p>
      ))}
    </>
  );
}

/** The sign of a diff line as a word, for the style sheet. */
function changeKind(line: string): "add" | "remove" | "change" {
  return line.startsWith("+") ? "add" : line.startsWith("-") ? "remove" : "change";
}
