-- compatible: yes (a wider check; an older worker gives a run that is held back to the queue until a newer one takes it)

-- A run that was granted money for its phase under way only stops behind it. What is there passed the narrower check.
alter table app.runs drop constraint runs_interrupt_check;
alter table app.runs add constraint runs_interrupt_check check (interrupt in ('pause', 'cancel', 'hold')) not valid;
