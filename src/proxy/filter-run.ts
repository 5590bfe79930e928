/** The way of one request through the filters of its route, and what they and the route change in it. */

import type { Upstream } from "../pool/upstream.ts";
import { hostHeaderOf } from "../net/address.ts";
import { type FilteredRequest, type FilterVerdict, ofUpstream, type RequestFilter } from "./filter.ts";
import type { CompressibleResponse, CompressionDecision, CompressionPlan } from "./compression.ts";
import {
  editedFields,
  eitherOf,
  type FieldEdit,
  type HeadEdit,
  mergedEdit,
  noFields,
  PlainNames,
} from "./head-edit.ts";
import { type Wait, wait } from "./queue.ts";
import { type Refusal, refusal, type RenderedRefusal } from "./refusal.ts";
import type { RouteHandling } from "./route.ts";
import { type Sticky, StickyRequest } from "./sticky.ts";

const noEdit: FieldEdit = { removed: new PlainNames(), added: noFields };
const noHandling: RouteHandling = { filters: [] };

/**
 * ```
 *  running ──▶ every filter let it pass
 *     ├──────▶ refusal: a filter answered
 *     └──────▶ pending ──onSettled──▶ one of those, or a bug
 * ```
 */
export class FilterRun {
  readonly request: FilteredRequest;
  readonly #handling: RouteHandling;
  /** Present where the destination is sticky. */
  readonly sticky: StickyRequest | undefined;
  #next = 0;
  #isPending = false;
  #isAbandoned = false;
  #bug: { readonly error: unknown } | undefined;
  #refusal: Refusal | undefined;
  #requestEdit: HeadEdit | undefined;
  #compression: CompressionDecision | undefined;
  /** Called at most once, when a run that was pending is not any more. Not after `abandon`. */
  onSettled: (() => void) | undefined;

  constructor(request: FilteredRequest, handling: RouteHandling = noHandling, sticky?: Sticky) {
    this.#handling = handling;
    this.request = request;
    this.sticky = sticky && new StickyRequest(sticky, request);
    this.#run();
  }

  /** Whether a filter has to wait. */
  get isPending(): boolean {
    return this.#isPending;
  }

  /** What a filter answered; undefined if none did yet. */
  get answer(): Refusal | undefined {
    return this.#refusal;
  }

  /**
   * @param isLate whether the request has no time left: a verdict that is pending is given up
   * @returns what a filter answered; undefined if all let the request pass
   * @throws what a filter threw
   */
  next(isLate: boolean): Refusal | Wait | undefined {
    if (this.#isPending && !isLate) return wait;
    if (this.#isPending) {
      this.abandon();
      return refusal("total_timeout");
    }
    if (this.#bug) throw this.#bug.error;
    return this.#refusal;
  }

  /** What changes in the request for this upstream, if anything. Read after the filters. */
  requestEdit(upstream: Upstream): HeadEdit | undefined {
    const { changesRequest, upstreamHost } = this.request;
    if (!changesRequest && !this.#handling.requestEditor) return undefined;
    const edit = (this.#requestEdit ??= this.#createRequestEdit());
    if (upstreamHost !== ofUpstream) return edit;
    return { ...edit, host: hostHeaderOf(upstream.address) };
  }

  #createRequestEdit(): HeadEdit {
    const { request } = this;
    const { upstreamTarget: target, upstreamHost } = request;
    const ofRoute = this.#handling.requestEditor?.edit(request);
    if (ofRoute && !request.changesRequest) return ofRoute;
    const filters = { removed: request.hiddenNames, added: request.upstreamFields };
    const { removed, defaults, added } = mergedEdit(ofRoute, filters);
    const host = typeof upstreamHost === "string" ? upstreamHost : undefined;
    return { target, host, removed, defaults, added };
  }

  /**
   * Decides about an upstream's response whose edit is read next.
   * @returns how its body is compressed; undefined for one that passes as it is
   */
  compress(response: CompressibleResponse): CompressionPlan | undefined {
    this.#compression = this.#handling.compression?.decide(this.request.head, response);
    return this.#compression?.plan;
  }

  /** That response does not reach the client. */
  forgetResponse(): void {
    this.#compression = undefined;
  }

  /** What changes in the response, if anything. @param upstream where it comes from; undefined for the balancer's own */
  responseEdit(upstream: Upstream | undefined): HeadEdit | undefined {
    const { request } = this;
    const { responseEditor } = this.#handling;
    const cookie = upstream && this.sticky?.responded(upstream);
    const compression = this.#compression;
    if (!request.responseEdit && !responseEditor && !compression && cookie === undefined) return undefined;
    const edit = this.#responseEditWith(cookie, responseEditor?.edit(request, upstream));
    return compression ? withCompression(edit, compression) : edit;
  }

  #responseEditWith(cookie: string | undefined, ofRoute: HeadEdit | undefined): HeadEdit {
    const { responseEdit = noEdit } = this.request;
    if (cookie === undefined)
      return ofRoute && responseEdit === noEdit ? ofRoute : mergedEdit(ofRoute, responseEdit);
    const { removed, added } = responseEdit;
    return mergedEdit(ofRoute, { removed, added: [...added, ["Set-Cookie", cookie]] });
  }

  /** The balancer's own response as the route changes it: another body, then other fields. */
  editReply(refused: Refusal, reply: RenderedRefusal): RenderedRefusal {
    const { head, requestId } = this.request;
    const isOwnError = refused.reply === undefined && reply.status === refused.status;
    const page = isOwnError
      ? this.#handling.errorPages?.pageFor(refused, { accept: head.header("accept"), requestId })
      : undefined;
    const { status, headers, body } = page === undefined ? reply : withPage(reply, page);
    const edit = this.responseEdit(undefined);
    return { status, headers: edit ? editedFields(headers, edit) : headers, body };
  }

  /** The client has left, or the request's time is over: the verdict is not needed any more. */
  abandon(): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    this.#isAbandoned = true;
    this.onSettled = undefined;
    this.request.abandon();
  }

  #run(): void {
    const { filters } = this.#handling;
    try {
      for (; this.#next < filters.length; this.#next++) {
        const filter = filters[this.#next] as RequestFilter;
        const verdict = filter.admit(this.request);
        if (verdict instanceof Promise) return this.#await(filter, verdict);
        if (verdict) return this.#answer(filter, verdict);
      }
    } catch (error) {
      this.#bug = { error };
    }
  }

  #await(filter: RequestFilter, verdict: Promise<FilterVerdict>): void {
    this.#isPending = true;
    verdict.then(
      (settled) => this.#continue(() => (settled ? this.#answer(filter, settled) : this.#skip())),
      (error: unknown) => this.#continue(() => void (this.#bug = { error })),
    );
  }

  #answer({ name }: RequestFilter, refusal: Refusal): void {
    const { name: route } = this.request.match.route;
    this.#refusal = { ...refusal, filter: name, ...(route !== undefined && { route }) };
  }

  #skip(): void {
    this.#next += 1;
    this.#run();
  }

  #continue(step: () => void): void {
    if (this.#isAbandoned) return;
    this.#isPending = false;
    step();
    if (!this.#isPending) this.onSettled?.();
  }
}

function withPage({ status, headers }: RenderedRefusal, page: string): RenderedRefusal {
  const others = headers.filter(([name]) => name !== "Content-Type");
  return { status, headers: [["Content-Type", "text/html; charset=utf-8"], ...others], body: page };
}

/** The route may remove what the compression adds, except the name of the coding: the body would be nonsense without it. */
function withCompression(edit: HeadEdit, { removed, added }: CompressionDecision): HeadEdit {
  const kept = added.filter(([name]) => name === "Content-Encoding" || !edit.removed.has(name));
  return { ...edit, removed: eitherOf(edit.removed, removed), added: [...kept, ...edit.added] };
}
