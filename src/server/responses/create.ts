/**
 * POST /v1/responses and its two relatives: the Responses protocol with a memory. It looks up what a body refers to, keeps what was answered,
 * and lets answers run in the background. Called by app.ts; the way itself is generate.ts, as for every dialect.
 */
import { ShimmyError } from "../../contract/errors.ts";
import type { GenerationEvent, ResolvedModel } from "../../contract/generation.ts";
import type { EndpointDoc } from "../../protocols/document.ts";
import {
  compactions,
  encodeStreamResponse,
  encodeWholeResponse,
  failedFrames,
  inputTokens,
  type ResponseAnswer,
  type ResponseCall,
  type ResponseProtocol,
  responses,
  type Watch,
  type WireResponse,
} from "../../protocols/openai/responses/index.ts";
import type { Protocol } from "../../protocols/protocol.ts";
import { type Asker, generate } from "../generate.ts";
import type { Exchange } from "../observe.ts";
import type { Services } from "../services.ts";
import { earlierOf } from "./earlier.ts";
import { type RunningResponses, runningOf } from "./running.ts";

/** How a route that generates answers. */
export interface Way {
  /** For /openapi.json. */
  readonly doc?: EndpointDoc;
  answer(services: Services, exchange: Exchange, asker: Asker): Promise<Response>;
}

/** By route. */
export const RESPONSES: Readonly<Record<string, Way>> = {
  "/v1/responses": {
    ...docOf(responses),
    answer(services, exchange, asker) {
      const cancel = new AbortController();
      const kept = keeping({ services, caller: asker.caller, cancel, running: runningOf(services) });
      return generate(services, kept as Protocol, exchange, { ...asker, signal: cancel.signal });
    },
  },
  "/v1/responses/compact": {
    ...docOf(compactions),
    answer: (services, exchange, asker) => generate(services, knowing(services, asker, compactions) as Protocol, exchange, asker),
  },
  "/v1/responses/input_tokens": {
    ...docOf(inputTokens),
    answer: (services, exchange, asker) => generate(services, knowing(services, asker, inputTokens) as Protocol, counting(exchange), asker),
  },
};

function docOf({ doc }: ResponseProtocol) {
  return doc ? { doc } : {};
}

/** A count stops reading when it knows enough, which is no client that left. */
function counting(exchange: Exchange): Exchange {
  const answered = () => !exchange.request.signal.aborted;
  return {
    ...exchange,
    end: (outcome, error) => exchange.end(outcome.status === 499 && answered() ? { ...outcome, status: 200 } : outcome, error),
  };
}

/** Decodes with what was kept. */
function knowing({ config, responseStore }: Services, { caller }: Asker, protocol: ResponseProtocol): Protocol<ResponseCall> {
  return {
    ...protocol,
    async decode(body, context) {
      const call = protocol.decode(body, { ...context, earlier: await earlierOf(responseStore, caller, body) });
      if (!call.background || config.responsesMax > 0) return call;
      throw new ShimmyError("invalid_value", { param: "background", reason: "nothing is kept here (--responses-max 0)" });
    },
  };
}

interface Making {
  readonly services: Services;
  readonly caller: string | undefined;
  readonly cancel: AbortController;
  readonly running: RunningResponses;
}

/** The protocol for one request: it remembers what it makes. */
function keeping(making: Making): Protocol<ResponseCall> {
  const { services, caller } = making;
  let begun: { readonly call: ResponseCall; readonly model: ResolvedModel } | undefined;
  return {
    ...knowing(services, { caller }, responses),
    async encodeWhole(call, model, events) {
      const { first, last } = wholeAnswer(making, call, model, events);
      return call.background ? first : await last;
    },
    encodeStream(call, model, events) {
      begun = { call, model };
      return streamedAnswer(making, call, model, events);
    },
    encodeStreamError(error, id) {
      return begun ? failedFrames(begun.call, begun.model, error) : responses.encodeStreamError(error, id);
    },
  };
}

/** `first`: as it is at once, still to be made. */
function wholeAnswer(making: Making, call: ResponseCall, model: ResolvedModel, events: AsyncIterable<GenerationEvent>) {
  const { watch, over, first } = watched(making, call);
  const last = encodeWholeResponse(call, model, events, watch).finally(over);
  // In the background nobody waits for it: how it ended is kept, and in the log.
  last.catch(() => undefined);
  const queued = first();
  // Kept from now on: whoever asks after a crash hears what became of it. What follows takes its place.
  if (call.background) keep(making.services, making.caller, call, queued);
  return { first: queued, last };
}

async function* streamedAnswer(
  making: Making,
  call: ResponseCall,
  model: ResolvedModel,
  events: AsyncIterable<GenerationEvent>,
): AsyncGenerator<string, void, undefined> {
  const { watch, over } = watched(making, call);
  try {
    yield* encodeStreamResponse(call, model, events, watch);
  } finally {
    over();
  }
}

/** Puts an answer among those that run, and what became of it into the store. */
function watched({ services, caller, cancel, running }: Making, call: ResponseCall) {
  let answer: ResponseAnswer | undefined;
  let tellEnd: (response: WireResponse) => void = () => undefined;
  const done = new Promise<WireResponse>((resolve) => {
    tellEnd = resolve;
  });
  const snapshot = () => {
    if (!answer) throw new ShimmyError("internal");
    return answer.snapshot();
  };
  const watch: Watch = {
    onBegin(begun) {
      answer = begun;
      running.add(call.id, { caller, snapshot, cancel: () => cancel.abort(), done });
    },
    onEnd(response) {
      // One that failed at once was told as an error, and nobody knows its id.
      const told = call.stream || call.background || response.status !== "failed";
      if (told && (call.store || call.background)) keep(services, caller, call, response);
      tellEnd(response);
    },
    cancelled: () => cancel.signal.aborted,
  };
  const over = () => {
    running.remove(call.id);
    // A reader that left: nobody else may wait for ever.
    tellEnd(snapshot());
  };
  return { watch, over, first: () => ({ ...snapshot(), status: "queued" as const }) };
}

function keep({ responseStore }: Services, caller: string | undefined, call: ResponseCall, response: WireResponse): void {
  responseStore.put({
    id: call.id,
    ...(caller !== undefined && { caller }),
    createdAt: call.created * 1000,
    input: call.items,
    response: { ...response },
  });
}
