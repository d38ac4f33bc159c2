-- compatible: yes (a nullable column and an index; what code that does not know the column writes is taken for what its kind says)

-- What an undo of the run does about it; null: written by a version that did not say.
alter table app.effects add column reversal text check (reversal in ('undo', 'compensate', 'irreversible'));

-- Undos of a run are found by what they lock. Not built concurrently: few rows, if any, are in it.
-- squawk-ignore require-concurrent-index-creation
create index runs_undoing on app.runs (lock_key, number) where lock_key like 'undo:%';
