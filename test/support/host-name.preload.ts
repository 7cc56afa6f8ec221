/** Runs in a process of a test before anything else: its host has the name that MARU_TEST_HOSTNAME says. */
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

os.hostname = (): string => process.env['MARU_TEST_HOSTNAME'] ?? '';
syncBuiltinESMExports();
