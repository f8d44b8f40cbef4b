/** koffi as this process uses it. Whoever opens a library takes it from here, for it can be set up only before the first one is open. */
import koffi from "koffi";

// GBNF parsing and graph building recurse deeper than koffi's default stacks (docs/decisions.md).
koffi.config({ sync_stack_size: 16 << 20, async_stack_size: 16 << 20, resident_async_pools: 2, max_async_calls: 16 });

export { koffi };
