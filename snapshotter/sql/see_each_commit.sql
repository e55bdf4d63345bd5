-- Each statement sees what was committed before it, whatever the database's own default is: those
-- of a pipeline are one transaction.
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED
