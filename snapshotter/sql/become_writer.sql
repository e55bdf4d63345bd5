SET ROLE checkpoint_writer
