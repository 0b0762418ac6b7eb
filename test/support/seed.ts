import fc from 'fast-check';

// One seed, so that a change is judged by what it changes and not by luck; FUZZ_SEED tries others.
fc.configureGlobal({ seed: Number(process.env['FUZZ_SEED'] ?? 1) });
